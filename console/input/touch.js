// Two thumb pads: the left one moves, the right one turns (and tilts the camera).

export class ThumbPads {
  name = 'touch';
  sideways = false;
  tilts = false;

  #left;
  #right;

  constructor(left, right, changed) {
    this.#left = new ThumbPad(left, changed);
    this.#right = new ThumbPad(right, changed);
  }

  sample() {
    const { x, y, held } = this.#left, right = this.#right;
    if (!held && !right.held) return null;
    return { forward: -y, strafe: this.sideways ? -x : 0, turn: -right.x, tilt: this.tilts && Math.abs(right.y) > 0.4 ? -right.y : 0, hold: true };
  }

  release() {
    this.#left.release();
    this.#right.release();
  }
}

class ThumbPad {
  x = 0;
  y = 0;
  held = false;

  #element;
  #knob;
  #pointer = null;
  #changed;

  constructor(element, changed) {
    this.#element = element;
    this.#knob = element.querySelector('.knob');
    this.#changed = changed;
    element.addEventListener('pointerdown', event => {
      if (this.#pointer !== null) return;
      event.preventDefault();
      this.#pointer = event.pointerId;
      // A pointer that is gone already cannot be captured; its end is told all the same.
      try { element.setPointerCapture(event.pointerId); } catch { /* See above. */ }
      this.#move(event);
    });
    element.addEventListener('pointermove', event => event.pointerId === this.#pointer && this.#move(event));
    for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      element.addEventListener(end, event => {
        if (event.pointerId !== this.#pointer) return;
        this.release();
        this.#changed();
      });
    }
    element.addEventListener('contextmenu', event => event.preventDefault());
  }

  #move(event) {
    const box = this.#element.getBoundingClientRect();
    const radius = box.width / 2 * 0.7;
    let x = (event.clientX - box.left - box.width / 2) / radius, y = (event.clientY - box.top - box.height / 2) / radius;
    const size = Math.hypot(x, y);
    if (size > 1) [x, y] = [x / size, y / size];
    Object.assign(this, { x, y, held: true });
    this.#show();
    this.#changed();
  }

  release() {
    Object.assign(this, { x: 0, y: 0, held: false });
    this.#pointer = null;
    this.#show();
  }

  #show() {
    this.#element.classList.toggle('held', this.held);
    this.#knob.style.transform = `translate(${this.x * 70}%, ${this.y * 70}%)`;
  }
}
