// What a person has chosen, kept in this browser.

import { number, presetOf, presets, ranges } from './presets.js';

const STORE = 'waldo.settings';

/** Everything that keys can do, with its name. */
export const keyActions = {
  forward: 'Forward', back: 'Back', left: 'Left', right: 'Right', turnLeft: 'Turn left', turnRight: 'Turn right',
  lookUp: 'Camera up', lookDown: 'Camera down', lookLeft: 'Camera left', lookRight: 'Camera right', lookAhead: 'Camera ahead',
  slow: 'Slowly (while held)', talk: 'Talk (while held)', listen: 'Listen on and off', photo: 'Photo', fullscreen: 'Full screen',
};

export const padActions = {
  hold: 'Dead-man (while held)', holdToo: 'Dead-man, second', stop: 'STOP', talk: 'Talk (while held)', photo: 'Photo', lookAhead: 'Camera ahead',
  lookUp: 'Camera up', lookDown: 'Camera down', lookLeft: 'Camera left', lookRight: 'Camera right', faster: 'Faster', slower: 'Slower',
};

export const padAxes = { forward: 'Forward', strafe: 'Sideways', turn: 'Turn' };

export const defaults = Object.freeze({
  name: '',
  theme: 'auto',
  listen: false,
  details: false,
  preset: 'normal',
  feel: presets.normal,
  keys: {
    forward: ['KeyW', 'ArrowUp'], back: ['KeyS', 'ArrowDown'], left: ['KeyA'], right: ['KeyD'],
    turnLeft: ['KeyQ', 'ArrowLeft'], turnRight: ['KeyE', 'ArrowRight'],
    lookUp: ['KeyI'], lookDown: ['KeyK'], lookLeft: ['KeyJ'], lookRight: ['KeyL'], lookAhead: ['Home'],
    slow: ['ShiftLeft', 'ShiftRight'], talk: ['KeyC'], listen: ['KeyM'], photo: ['KeyP'], fullscreen: ['KeyF'],
  },
  pad: {
    hold: 'trigger',
    // The standard mapping of the Gamepad API: sticks are positive to the right and down.
    axes: { forward: { index: 1, sign: -1 }, strafe: { index: 0, sign: -1 }, turn: { index: 2, sign: -1 } },
    buttons: { hold: 4, holdToo: 6, stop: 1, talk: 3, photo: 2, lookAhead: 11, lookUp: 12, lookDown: 13, lookLeft: 14, lookRight: 15,
      faster: 5, slower: 8 },
  },
  mouse: { mode: 'auto', sensitivity: 1 },
});

const oneOf = (value, values, otherwise) => (values.includes(value) ? value : otherwise);
const text = (value, length, otherwise) => (typeof value === 'string' ? value.trim().slice(0, length) : otherwise);
const whole = (value, high, otherwise) => (Number.isInteger(value) && value >= 0 && value <= high ? value : otherwise);
const map = (names, read) => Object.fromEntries(Object.keys(names).map(name => [name, read(name)]));

/** Settings out of anything: what is missing or senseless is as by default. */
export function clean(given) {
  const from = given && typeof given === 'object' ? given : {};
  const { feel = {}, keys = {}, pad = {}, mouse = {} } = from;
  const cleanFeel = map(ranges, name => number(feel?.[name], ...ranges[name], defaults.feel[name]));
  const codes = list => Array.isArray(list) && list.length <= 4 && list.every(code => typeof code === 'string' && /^\w{1,24}$/.test(code));
  return {
    name: text(from.name, 40, defaults.name),
    theme: oneOf(from.theme, ['auto', 'dark', 'light'], defaults.theme),
    listen: from.listen === true,
    details: from.details === true,
    preset: presetOf(cleanFeel),
    feel: cleanFeel,
    keys: map(keyActions, name => (codes(keys?.[name]) ? [...keys[name]] : [...defaults.keys[name]])),
    pad: {
      hold: oneOf(pad?.hold, ['trigger', 'stick'], defaults.pad.hold),
      axes: map(padAxes, name => ({
        index: whole(pad?.axes?.[name]?.index, 15, defaults.pad.axes[name].index),
        sign: oneOf(pad?.axes?.[name]?.sign, [1, -1], defaults.pad.axes[name].sign),
      })),
      buttons: map(padActions, name => (pad?.buttons?.[name] === null ? null : whole(pad?.buttons?.[name], 31, defaults.pad.buttons[name]))),
    },
    mouse: { mode: oneOf(mouse?.mode, ['auto', 'camera', 'turn'], defaults.mouse.mode), sensitivity: number(mouse?.sensitivity, 0.1, 3, 1) },
  };
}

class Settings extends EventTarget {
  constructor() {
    super();
    this.value = clean(this.#stored());
    if (!this.value.name) this.value.name = `Operator ${100 + Math.floor(Math.random() * 900)}`;
    // Another tab's change is taken over; what it took over it does not store again.
    addEventListener('storage', event => {
      if (event.key === STORE) this.#take(clean(this.#stored()));
    });
  }

  /** `change(draft)` alters a copy, which is then checked, kept and told. */
  update(change) {
    const draft = structuredClone(this.value);
    change(draft);
    this.#take(clean(draft));
    try {
      localStorage.setItem(STORE, JSON.stringify(this.value));
    } catch { /* Private windows may store nothing: the choice lasts as long as the page. */ }
  }

  reset() {
    this.update(draft => Object.assign(draft, structuredClone(defaults), { name: draft.name }));
  }

  exported() {
    return JSON.stringify({ waldo: 'settings', version: 1, settings: this.value }, null, 2);
  }

  /** Throws an Error that says what is wrong with `source`. */
  import(source) {
    let parsed;
    try {
      parsed = JSON.parse(source);
    } catch {
      throw new Error('This file is not JSON. Choose a file that “Export” made.');
    }
    if (parsed?.waldo !== 'settings' || typeof parsed.settings !== 'object') {
      throw new Error('This file has no settings of Waldo in it. Choose a file that “Export” made.');
    }
    this.update(draft => Object.assign(draft, clean(parsed.settings)));
  }

  #take(value) {
    this.value = value;
    this.dispatchEvent(new Event('change'));
  }

  #stored() {
    try {
      return JSON.parse(localStorage.getItem(STORE));
    } catch {
      return null;
    }
  }
}

export const settings = new Settings();
