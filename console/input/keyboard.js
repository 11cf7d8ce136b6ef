// Keys, by their place on the board: WASD is where it is on a QWERTY keyboard, whatever is printed on it.

const ownKeys = 'input, select, textarea, dialog, [contenteditable]';

/** Whether a key is meant for a field and not for the robot. */
export const isForField = event => event.target instanceof Element && event.target.closest(ownKeys) !== null;

export class Keyboard {
  name = 'keyboard';
  #down = new Set();
  #settings;

  /** `changed()` is called when a driving key goes down or up; `act(name, down)` for the other keys. */
  constructor(settings, changed, act) {
    this.#settings = settings;
    const driving = new Set(['forward', 'back', 'left', 'right', 'turnLeft', 'turnRight',
      'lookUp', 'lookDown', 'lookLeft', 'lookRight', 'slow']);
    addEventListener('keydown', event => {
      if (event.ctrlKey || event.altKey || event.metaKey || isForField(event)) return;
      const name = this.#actionOf(event.code);
      if (!name) return;
      if (driving.has(name)) event.preventDefault();
      if (event.repeat) return;
      if (!driving.has(name)) return act(name, true);
      this.#down.add(event.code);
      changed();
    });
    // The way up counts wherever the focus has gone meanwhile.
    addEventListener('keyup', event => {
      const name = this.#actionOf(event.code);
      if (this.#down.delete(event.code)) changed();
      else if (name && !driving.has(name)) act(name, false);
      // macOS does not tell the end of keys that go up while Command is down.
      if (event.key === 'Meta') {
        this.release();
        changed();
      }
    });
  }

  #actionOf(code) {
    return Object.entries(this.#settings.value.keys).find(([, codes]) => codes.includes(code))?.[0];
  }

  #is(name) { return this.#settings.value.keys[name].some(code => this.#down.has(code)); }

  #pair(positive, negative) { return (this.#is(positive) ? 1 : 0) - (this.#is(negative) ? 1 : 0); }

  sample() {
    if (this.#down.size === 0) return null;
    const hold = ['forward', 'back', 'left', 'right', 'turnLeft', 'turnRight'].some(name => this.#is(name));
    return {
      forward: this.#pair('forward', 'back'), strafe: this.sideways ? this.#pair('left', 'right') : 0,
      turn: this.#pair('turnLeft', 'turnRight') + (this.sideways ? 0 : this.#pair('left', 'right')),
      pan: this.#pair('lookLeft', 'lookRight'), tilt: this.#pair('lookUp', 'lookDown'),
      slow: this.#is('slow'), hold,
    };
  }

  /** A robot that cannot go sideways turns with A and D. */
  sideways = false;

  release() { this.#down.clear(); }
}
