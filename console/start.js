// The first script of the page: the offer is on its way before anything else is loaded.

import { ask, Link } from './link.js';
import { settings } from './settings.js';

/** The screen and robot of an address: `#/robots`, `#/usage`, `#/settings`, `#/robot/ID?camera=NAME`; else the first robot's drive screen. */
export function route(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [screen, id] = path.split('/');
  if (['robots', 'usage', 'settings'].includes(screen)) return { screen, robot: null, camera: null };
  let robot = null;
  if (screen === 'robot' && id) try { robot = decodeURIComponent(id); } catch { /* Not an address of ours. */ }
  return { screen: 'drive', robot, camera: new URLSearchParams(query).get('camera') };
}

const RELOADS = 'waldo.reloads';

export const link = new Link();
link.operator = settings.value.name;
const { robot, camera } = route(location.hash);
link.open(robot, camera);

// This script waits neither for the page's end nor for its style.
const parsed = document.readyState === 'loading'
  ? new Promise(resolve => document.addEventListener('DOMContentLoaded', resolve, { once: true })) : Promise.resolve();
parsed.then(() => link.attach(document.getElementById('video')));

// STOP works before its cockpit is there, and where that does not come.
async function pull() {
  document.getElementById('stop').dataset.stop = 'stopping';
  for (let tries = 0; tries < 40; tries++) {
    try {
      await ask(`/api/robots/${encodeURIComponent(link.robotID ?? await link.firstRobot())}/estop`, { method: 'POST', limit: 2000 });
      return;
    } catch (error) {
      // A recording has nothing to stop.
      if (error.status === 409) return;
      await new Promise(resolve => setTimeout(resolve, 250));
    }
  }
}

const pulls = {
  pointerdown: event => event.target.closest?.('#stop') && pull(),
  keydown: event => (event.key === 'Escape' || (event.target.closest?.('#stop') && ['Enter', ' '].includes(event.key))) && pull(),
};
for (const [type, listener] of Object.entries(pulls)) addEventListener(type, listener, { capture: true });

// The cockpit is put together once the picture is there: before, it would only delay that. It does not wait long, nor where none will come.
const next = new Promise(resolve => {
  link.addEventListener('frame', resolve, { once: true });
  link.addEventListener('state', () => ['lost', 'pictures', 'refused'].includes(link.state) && resolve());
  link.addEventListener('answered', () => {
    const { content } = document.getElementById('cockpit');
    document.head.append(content);
    setTimeout(resolve, 300);
  }, { once: true });
  setTimeout(resolve, 800);
});

// A browser never asks again for a module that did not come: only a new page does.
function begin() {
  return import('./main.js').then(() => {
    for (const [type, listener] of Object.entries(pulls)) removeEventListener(type, listener, { capture: true });
    sessionStorage.removeItem(RELOADS);
  }, () => {
    const reloads = Number(sessionStorage.getItem(RELOADS)) || 0;
    sessionStorage.setItem(RELOADS, String(reloads + 1));
    setTimeout(() => location.reload(), Math.min(1000 * 2 ** reloads, 30_000));
  });
}

Promise.all([parsed, next]).then(begin);
