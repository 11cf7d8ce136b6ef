// The settings screen: feel, keys, gamepad, mouse, and all of it as a file.

import { make, makeSVG, setAttribute, setText, toast } from './page.js';
import { keyActions, padActions, padAxes } from './settings.js';
import { presets, ranges, shape } from './presets.js';

const percent = value => `${Math.round(value * 100)} %`;
const feelNames = {
  speed: ['Speed limit', percent], sensitivity: ['Sensitivity', value => `× ${value.toFixed(1)}`],
  curve: ['Curve', percent], deadzone: ['Dead zone', percent],
};
const presetNames = { beginner: 'Beginner', normal: 'Normal', advanced: 'Advanced', sport: 'Sport' };
const buttonNames = ['A', 'B', 'X', 'Y', 'LB', 'RB', 'LT', 'RT', 'Back', 'Start', 'L stick', 'R stick', 'Up', 'Down', 'Left', 'Right', 'Home'];

/** A key's name for people. */
export const keyName = code => code.replace(/^Key|^Digit/, '').replace(/^Arrow(.*)/, '$1 arrow').replace(/^(Shift|Control|Alt)(Left|Right)/, '$1 ($2)');
const buttonName = index => (index === null ? 'none' : `${buttonNames[index] ?? 'Button'} (${index})`);

export class SettingsScreen {
  title = 'Settings';
  #settings;
  #pad;
  #shown = false;
  #refreshers = [];
  #capture = null;
  #rest = null;

  constructor(settings, gamepad) {
    this.#settings = settings;
    this.#pad = gamepad;
    settings.addEventListener('change', () => this.#refresh());
    addEventListener('keydown', event => this.#key(event), { capture: true });
  }

  show(screen) {
    this.#refreshers = [];
    this.#shown = true;
    screen.replaceChildren(make('h1', {}, 'Settings'), this.#you(), this.#feel(), this.#sticks(), this.#keys(), this.#gamepad(), this.#mouse(), this.#file());
    this.#refresh();
    const live = () => {
      if (!this.#shown) return;
      this.#live();
      requestAnimationFrame(live);
    };
    live();
  }

  hide() {
    this.#shown = false;
    this.#endCapture();
    this.#refreshers = [];
  }

  #refresh() {
    for (const refresh of this.#refreshers) refresh(this.#settings.value);
  }

  #bind(refresh) { this.#refreshers.push(refresh); }

  #section(title, note, ...children) {
    return make('section', { class: 'panel' }, make('h2', {}, title), ...(note ? [make('p', { class: 'note' }, note)] : []), ...children);
  }

  #select(label, options, read, write) {
    const select = make('select', {}, ...Object.entries(options).map(([value, words]) => make('option', { value }, words)));
    select.onchange = () => this.#settings.update(draft => write(draft, select.value));
    this.#bind(value => { select.value = read(value); });
    return make('label', { class: 'field' }, make('span', {}, label), select);
  }

  #slider(label, [min, max], step, format, read, write) {
    const input = make('input', { type: 'range', min, max, step }), output = make('output', {});
    input.oninput = () => this.#settings.update(draft => write(draft, Number(input.value)));
    this.#bind(value => {
      input.value = read(value);
      setText(output, format(read(value)));
      setAttribute(input, 'aria-valuetext', format(read(value)));
    });
    return make('label', { class: 'field' }, make('span', {}, label), input, output);
  }

  #you() {
    const name = make('input', { type: 'text', maxLength: 40, autocomplete: 'nickname', required: true });
    name.onchange = () => name.value.trim() && this.#settings.update(draft => { draft.name = name.value; });
    this.#bind(value => { if (document.activeElement !== name) name.value = value.name; });
    return this.#section('You', 'Others see this name while you drive or ask for control.', make('label', { class: 'field' }, make('span', {}, 'Name'), name),
      this.#select('Appearance', { auto: 'As the system', dark: 'Dark', light: 'Light' }, value => value.theme, (draft, theme) => { draft.theme = theme; }));
  }

  #feel() {
    const choices = Object.keys(presets).map(key => {
      const input = make('input', { type: 'radio', name: 'preset', value: key });
      input.onchange = () => this.#settings.update(draft => { draft.feel = { ...presets[key] }; });
      this.#bind(value => { input.checked = value.preset === key; });
      return make('label', { class: 'choice' }, input, make('span', {}, presetNames[key]));
    });
    const sliders = Object.entries(feelNames).map(([key, [label, format]]) =>
      this.#slider(label, ranges[key], key === 'speed' || key === 'sensitivity' ? 0.1 : 0.01, format, value => value.feel[key],
        (draft, value) => { draft.feel[key] = value; }));
    return this.#section('Feel', 'How the sticks and keys become velocity. The robot has limits of its own, which hold in any case.',
      make('fieldset', { class: 'choices' }, make('legend', { class: 'sr' }, 'Preset'), ...choices),
      make('div', { class: 'split' }, make('div', {}, ...sliders), this.#curve()));
  }

  #curve() {
    const line = makeSVG('path', { class: 'applied' }), dead = makeSVG('rect', { class: 'dead', y: 0, height: 100, x: 0 });
    this.dot = makeSVG('circle', { class: 'hub', r: 3 });
    this.#bind(({ feel }) => {
      const points = Array.from({ length: 51 }, (_, index) => index / 50);
      setAttribute(line, 'd', points.map((x, index) => `${index ? 'L' : 'M'}${(x * 100).toFixed(1)} ${(100 - shape(x, feel) * feel.speed * 100).toFixed(1)}`).join(''));
      setAttribute(dead, 'width', String(feel.deadzone * 100));
    });
    return make('figure', {}, makeSVG('svg', { viewBox: '-4 -4 108 108', class: 'plot', role: 'img', 'aria-label': 'Stick against velocity' },
      makeSVG('rect', { class: 'frame', width: 100, height: 100 }), dead, makeSVG('path', { class: 'ring', d: 'M0 100L100 0' }), line, this.dot),
    make('figcaption', {}, 'Stick → share of the robot’s limit'));
  }

  #sticks() {
    this.padName = make('p', { class: 'note', role: 'status' });
    this.stickDots = [];
    const stick = title => {
      const zone = makeSVG('rect', { class: 'dead' }), dot = makeSVG('circle', { class: 'hub', r: 4 });
      this.stickDots.push(dot);
      this.#bind(({ feel }) => {
        const reach = feel.deadzone * 46;
        for (const [name, value] of Object.entries({ x: -reach, y: -reach, width: reach * 2, height: reach * 2 })) setAttribute(zone, name, String(value));
      });
      return make('figure', {}, makeSVG('svg', { viewBox: '-50 -50 100 100', class: 'plot', role: 'img', 'aria-label': title },
        makeSVG('circle', { class: 'frame', r: 46 }), zone, makeSVG('path', { class: 'ring', d: 'M-46 0H46M0-46V46' }), dot), make('figcaption', {}, title));
    };
    return this.#section('Sticks now', null, this.padName, make('div', { class: 'row wide' }, stick('Left stick'), stick('Right stick')));
  }

  #keys() {
    const rows = Object.entries(keyActions).map(([name, title]) => {
      const button = make('button', { type: 'button' });
      button.onclick = () => this.#listenFor({ kind: 'key', name, button });
      this.#bind(value => {
        const words = value.keys[name].map(keyName).join(', ') || 'none';
        setText(button, words);
        setAttribute(button, 'aria-label', `${title}: ${words}. Press to change`);
      });
      return make('li', {}, make('span', {}, title), button);
    });
    return this.#section('Keys', 'Press a button here, then the key. Esc is always STOP, and cannot be given away.', make('ul', { class: 'bindings' }, ...rows));
  }

  #gamepad() {
    const rows = Object.entries(padActions).map(([name, title]) => this.#padRow('button', name, title, value => buttonName(value.pad.buttons[name])));
    const axes = Object.entries(padAxes).map(([name, title]) => this.#padRow('axis', name, title, value => {
      const { index, sign } = value.pad.axes[name];
      return `Axis ${index}${sign < 0 ? ', reversed' : ''}`;
    }));
    return this.#section('Gamepad', 'Press a button here, then the button of the pad; for an axis move the stick forward, or to the left.',
      this.#select('Dead-man', { trigger: 'A held button (LB or LT): safer', stick: 'The moved stick itself' }, value => value.pad.hold,
        (draft, hold) => { draft.pad.hold = hold; }),
      make('ul', { class: 'bindings' }, ...axes, ...rows));
  }

  #padRow(kind, name, title, read) {
    const button = make('button', { type: 'button' });
    button.onclick = () => this.#listenFor({ kind, name, button });
    this.#bind(value => {
      setText(button, read(value));
      setAttribute(button, 'aria-label', `${title}: ${read(value)}. Press to change`);
    });
    return make('li', {}, make('span', {}, title), button);
  }

  #mouse() {
    return this.#section('Mouse and camera', 'A click on the picture locks the mouse; Esc gives it back.',
      this.#select('Mouse', { auto: 'Turns the camera, if it can turn', camera: 'Turns the camera', turn: 'Turns the robot' }, value => value.mouse.mode,
        (draft, mode) => { draft.mouse.mode = mode; }),
      this.#slider('Sensitivity', [0.1, 3], 0.1, value => `× ${value.toFixed(1)}`, value => value.mouse.sensitivity,
        (draft, value) => { draft.mouse.sensitivity = value; }));
  }

  #file() {
    const input = make('input', { type: 'file', accept: 'application/json,.json', class: 'sr', tabIndex: -1, 'aria-label': 'File of settings' });
    input.onchange = async () => {
      try {
        this.#settings.import(await input.files[0].text());
        toast('Settings taken over.', 'good');
      } catch (error) {
        toast(error.message, 'bad', 8000);
      }
      input.value = '';
    };
    const save = () => {
      const address = URL.createObjectURL(new Blob([this.#settings.exported()], { type: 'application/json' }));
      make('a', { href: address, download: 'waldo-settings.json' }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
    };
    const reset = () => {
      this.#settings.reset();
      toast('All settings but the name are as new.');
    };
    return this.#section('All settings', 'They are kept in this browser.', make('div', { class: 'row wide' },
      make('button', { type: 'button', onclick: save }, 'Export'), make('button', { type: 'button', onclick: () => input.click() }, 'Import…'),
      make('button', { type: 'button', onclick: reset }, 'Reset'), input));
  }

  // "Press the button now"

  #listenFor(capture) {
    this.#endCapture();
    this.#capture = capture;
    this.#pad.capturing = capture.kind !== 'key';
    this.#rest = this.#pad.state && { axes: [...this.#pad.state.axes], buttons: [...this.#pad.state.buttons] };
    capture.button.classList.add('primary');
    setText(capture.button, { key: 'Press the key now…', button: 'Press the button now…', axis: 'Move the stick now…' }[capture.kind]);
    if (capture.kind !== 'key' && !this.#pad.state) toast('No gamepad is seen yet: press any of its buttons.', 'fair');
  }

  #endCapture() {
    this.#capture?.button.classList.remove('primary');
    this.#capture = null;
    this.#pad.capturing = false;
    this.#refresh();
  }

  #key(event) {
    const { kind, name } = this.#capture ?? {};
    if (!kind || event.key === 'Escape') return this.#capture && this.#endCapture();
    if (kind !== 'key') return undefined;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat || !/^\w{1,24}$/.test(event.code)) return undefined;
    this.#endCapture();
    return this.#settings.update(draft => {
      // A key does one thing.
      for (const other of Object.keys(draft.keys)) draft.keys[other] = draft.keys[other].filter(code => code !== event.code);
      draft.keys[name] = [event.code];
    });
  }

  #live() {
    const { feel } = this.#settings.value, state = this.#pad.state;
    setText(this.padName, state ? state.id : 'No gamepad. Plug one in and press any of its buttons.');
    const axes = state?.axes ?? [];
    this.stickDots.forEach((dot, index) => {
      setAttribute(dot, 'cx', String(Math.round((axes[index * 2] ?? 0) * 460) / 10));
      setAttribute(dot, 'cy', String(Math.round((axes[index * 2 + 1] ?? 0) * 460) / 10));
    });
    const { index } = this.#settings.value.pad.axes.forward;
    const deflection = Math.min(Math.abs(axes[index] ?? 0), 1);
    setAttribute(this.dot, 'cx', (deflection * 100).toFixed(1));
    setAttribute(this.dot, 'cy', (100 - shape(deflection, feel) * feel.speed * 100).toFixed(1));
    if (this.#capture && state) this.#capturePad(state);
  }

  #capturePad(state) {
    const { kind, name } = this.#capture;
    this.#rest ??= { axes: [...state.axes], buttons: [...state.buttons] };
    if (kind === 'button') {
      const index = state.buttons.findIndex((value, each) => value > 0.5 && !(this.#rest.buttons[each] > 0.5));
      // What is let go meanwhile may be pressed again.
      this.#rest.buttons = [...state.buttons];
      if (index < 0) return;
      this.#endCapture();
      this.#settings.update(draft => {
        for (const other of Object.keys(draft.pad.buttons)) if (draft.pad.buttons[other] === index) draft.pad.buttons[other] = null;
        draft.pad.buttons[name] = index;
      });
    } else if (kind === 'axis') {
      const index = state.axes.findIndex((value, each) => Math.abs(value - (this.#rest.axes[each] ?? 0)) > 0.6);
      if (index < 0) return;
      const sign = Math.sign(state.axes[index]);
      this.#endCapture();
      this.#settings.update(draft => { draft.pad.axes[name] = { index, sign: sign || 1 }; });
    }
  }
}
