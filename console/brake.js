// The STOP button: pulls at once, and clears when it is held for a second.

import { $, setAttribute, setText, toast } from './page.js';
import { refusal } from './protocol.js';

const HOLD = 1000;

const faces = {
  clear: ['STOP', 'Esc'],
  stopping: ['Stopping…', 'not confirmed yet'],
  latched: ['STOPPED', 'hold to clear'],
};

export class Brake {
  #control;
  #link;
  #button = $('stop');
  #timer = 0;

  constructor(control, link) {
    this.#control = control;
    this.#link = link;
    const button = this.#button;
    // Down, not click: it counts from the first touch.
    button.addEventListener('pointerdown', event => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.#down();
    });
    for (const end of ['pointerup', 'pointercancel', 'pointerleave', 'blur']) button.addEventListener(end, () => this.#up());
    button.addEventListener('keydown', event => {
      if (event.code !== 'Space' && event.code !== 'Enter') return;
      event.preventDefault();
      if (!event.repeat) this.#down();
    });
    button.addEventListener('keyup', () => this.#up());
    // Screen readers click without pointer or key.
    button.addEventListener('click', event => event.detail === 0 && this.#control.stop === 'clear' && this.#control.pull());
    button.addEventListener('contextmenu', event => event.preventDefault());
    addEventListener('keydown', event => {
      if (event.key === 'Escape' && !event.repeat) {
        event.preventDefault();
        this.#control.pull();
      }
    }, { capture: true });
    control.addEventListener('change', () => this.show());
    this.show();
  }

  #down() {
    if (this.#control.stop !== 'latched' || !this.#link.live) return this.#control.pull();
    this.#button.classList.add('holding');
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#clear(), HOLD);
  }

  #up() {
    clearTimeout(this.#timer);
    this.#button.classList.remove('holding');
  }

  async #clear() {
    this.#button.classList.remove('holding');
    try {
      await this.#control.clear();
      toast('Emergency stop cleared.', 'good', 3000);
    } catch (error) {
      toast(`Not cleared: ${refusal(error)}.`, 'bad');
    }
  }

  show() {
    const [words, key] = faces[this.#control.stop];
    // Away from its picture the robot is named: there may be others in the list.
    const named = this.#control.stop === 'clear' && document.documentElement.dataset.screen !== 'drive';
    const small = named ? this.#link.robot?.model ?? this.#link.robotID ?? key : key;
    setAttribute(this.#button, 'data-stop', this.#control.stop);
    setText(this.#button.querySelector('strong'), words);
    setText(this.#button.querySelector('small'), small);
    setAttribute(this.#button, 'aria-label', { clear: 'Stop the robot (emergency stop)', stopping: 'Stopping, not confirmed yet',
      latched: 'Stopped. Hold for one second to clear' }[this.#control.stop]);
  }
}
