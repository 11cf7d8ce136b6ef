// The first script of the page: the offer is on its way before anything else is loaded.

import { Link } from './link.js';
import { settings } from './settings.js';

/** The screen and robot of an address: `#/robots`, `#/settings`, `#/robot/ID?camera=NAME`; else the first robot's drive screen. */
export function route(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [screen, id] = path.split('/');
  if (screen === 'robots' || screen === 'settings') return { screen, robot: null, camera: null };
  let robot = null;
  if (screen === 'robot' && id) try { robot = decodeURIComponent(id); } catch { /* Not an address of ours. */ }
  return { screen: 'drive', robot, camera: new URLSearchParams(query).get('camera') };
}

export const link = new Link();
link.operator = settings.value.name;
const { robot, camera } = route(location.hash);
link.open(robot, camera);

// This script waits neither for the page's end nor for its style.
const parsed = document.readyState === 'loading'
  ? new Promise(resolve => document.addEventListener('DOMContentLoaded', resolve, { once: true })) : Promise.resolve();
parsed.then(() => link.attach(document.getElementById('video')));

// The cockpit is put together once the picture is there: before, it would only delay that. It does not wait long, nor where none will come.
const next = new Promise(resolve => {
  link.addEventListener('frame', resolve, { once: true });
  link.addEventListener('state', () => ['lost', 'pictures', 'refused'].includes(link.state) && resolve());
  link.addEventListener('answered', () => setTimeout(resolve, 300), { once: true });
  setTimeout(resolve, 800);
});
Promise.all([parsed, next]).then(() => import('./main.js'));
