// The page: puts the parts together and shows the screen of the address.

import { link, route } from './start.js';
import { settings } from './settings.js';
import { $, setAttribute, setHidden } from './page.js';
import { Control } from './control.js';
import { Keyboard } from './input/keyboard.js';
import { Gamepad } from './input/gamepad.js';
import { ThumbPads } from './input/touch.js';
import { Pointer } from './input/pointer.js';
import { Media } from './media.js';
import { Brake } from './brake.js';
import { Seat } from './seat.js';
import { DriveScreen } from './drive.js';
import { RobotsScreen } from './robots.js';
import { SettingsScreen } from './settings-screen.js';
import { Usage } from './usage.js';
import { UsageScreen } from './usage-screen.js';
import { expose } from './expose.js';

const control = new Control(link, settings);
const media = new Media(link, settings);
const sampled = () => control.sample();

function act(name, down) {
  if (name === 'stop' && down) control.pull();
  else if (name === 'talk') media.talk(down);
  else if (!down) return;
  else if (name === 'listen') media.toggleListen();
  else if (name === 'photo') media.photo();
  else if (name === 'fullscreen') media.fullScreen();
  else if (name === 'lookAhead') control.look(null);
  else if (name === 'faster') drive.changeSpeed(1);
  else if (name === 'slower') drive.changeSpeed(-1);
}

const canLook = () => Boolean(link.robot?.cameras?.[0]?.reach);
const keyboard = new Keyboard(settings, sampled, act);
const gamepad = new Gamepad(settings, act, () => control.letGo('the gamepad is gone'));
const pads = new ThumbPads($('pad-left'), $('pad-right'), sampled);
const pointer = new Pointer($('stage'), settings, {
  look: (pan, tilt) => control.look(pan, tilt),
  canLook,
  mayLock: () => control.drives,
  locked: () => drive.hint(pointer.turns ? 'The mouse turns the robot. Esc gives it back.' : 'The mouse turns the camera. Esc gives it back.'),
  unlocked: () => control.letGo('the mouse was given back'),
  wheel: notches => drive.changeSpeed(notches),
});
for (const input of [keyboard, gamepad, pads, pointer]) control.add(input);

const seat = new Seat(link, control);
const brake = new Brake(control, link);
const drive = new DriveScreen({ link, control, settings, seat, gamepad });
const usage = new Usage();
const screens = { robots: new RobotsScreen(), usage: new UsageScreen(usage), settings: new SettingsScreen(settings, gamepad) };

// A locked-out keyboard lets go of its keys, the microphone of its.
control.addEventListener('letgo', () => media.talk(false));
link.addEventListener('message', ({ detail }) => {
  if (detail.type !== 'welcome') return;
  keyboard.sideways = gamepad.sideways = pads.sideways = detail.robot.drive !== 'differential';
  pads.tilts = canLook();
});
// Some browsers pause what nobody sees.
document.addEventListener('visibilitychange', () => document.hidden || $('video').play().catch(() => {}));
// Leaving full screen by Esc may have been meant as a stop.
document.addEventListener('fullscreenchange', () => {
  if (!document.fullscreenElement) control.letGo('full screen ended');
});
// Buttons of the pad work on every screen; sampling reads them on this one.
setInterval(() => control.attended || document.hidden || gamepad.poll(), 50);

let shown = null;

// The way to a screen that has nothing to show is not there; who is on it stays.
const showWay = () => setHidden(document.querySelector('nav a[data-screen="usage"]'), !usage.live && shown !== 'usage');
usage.addEventListener('change', showWay);

function showScreen() {
  const { screen, robot, camera } = route(location.hash);
  const element = $('screen');
  if (screen !== shown) {
    screens[shown]?.hide();
    shown = screen;
    const overlay = screens[screen];
    setHidden(element, !overlay);
    setAttribute(document.documentElement, 'data-screen', screen);
    control.setOnScreen(!overlay);
    brake.show();
    if (overlay) {
      overlay.show(element);
      element.scrollTop = 0;
      element.focus();
    }
    for (const anchor of document.querySelectorAll('nav a')) {
      if (anchor.dataset.screen === screen) anchor.setAttribute('aria-current', 'page');
      else anchor.removeAttribute('aria-current');
    }
  }
  showWay();
  // The way back from another screen leads to the same robot and camera.
  if (screen === 'drive' && robot !== null) document.querySelector('nav a[data-screen="drive"]').href = location.hash;
  if (screen === 'drive' && (camera !== link.camera || (robot !== null && robot !== link.robotID))) link.open(robot ?? link.robotID, camera);
}

addEventListener('hashchange', showScreen);
showScreen();

function showTheme() {
  const { theme } = settings.value;
  if (theme === 'auto') document.documentElement.removeAttribute('data-theme');
  else setAttribute(document.documentElement, 'data-theme', theme);
}

settings.addEventListener('change', showTheme);
showTheme();

// The robot may have been quicker than the cockpit.
if (link.robot) link.dispatchEvent(new CustomEvent('message', { detail: { type: 'welcome', robot: link.robot } }));

expose({ link, control, settings, drive, gamepad, media, usage });
