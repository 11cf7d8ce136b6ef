// The locked pointer: the mouse looks around or turns the robot. While it is locked, the dead-man is held.

export class Pointer {
  name = 'pointer';
  locked = false;

  #element;
  #settings;
  #turn = 0;
  #look;
  #canLook;

  /** `look(pan, tilt)` in rad; `canLook()`: whether the camera turns; `unlocked()` when the lock ends; `wheel(notches)`. */
  constructor(element, settings, { look, canLook, mayLock, locked, unlocked, wheel }) {
    this.#element = element;
    this.#settings = settings;
    this.#look = look;
    this.#canLook = canLook;
    element.addEventListener('click', async event => {
      if (event.pointerType === 'touch' || this.locked || !mayLock() || !element.requestPointerLock) return;
      try {
        await element.requestPointerLock();
      } catch { /* The browser forbids it for a second after Esc; the next click does it. */ }
    });
    document.addEventListener('pointerlockchange', () => {
      const now = document.pointerLockElement === element;
      if (now === this.locked) return;
      this.locked = now;
      this.#turn = 0;
      if (now) locked();
      else unlocked();
    });
    element.addEventListener('mousemove', event => this.locked && this.#move(event));
    // A wheel's notch is told in pixels, lines or pages: only its direction counts.
    element.addEventListener('wheel', event => {
      event.preventDefault();
      if (event.deltaY) wheel(-Math.sign(event.deltaY));
    }, { passive: false });
  }

  get turns() {
    const { mode } = this.#settings.value.mouse;
    return mode === 'turn' || (mode === 'auto' && !this.#canLook());
  }

  #move({ movementX, movementY }) {
    const { sensitivity } = this.#settings.value.mouse;
    if (this.turns) this.#turn += movementX * sensitivity;
    else this.#look(-movementX * 0.002 * sensitivity, -movementY * 0.002 * sensitivity);
  }

  sample() {
    if (!this.locked) return null;
    const turn = Math.min(Math.max(-this.#turn * 0.04, -1), 1) + 0;
    this.#turn = 0;
    return { forward: 0, strafe: 0, turn, hold: true };
  }

  release() {
    this.#turn = 0;
    if (this.locked) document.exitPointerLock();
  }
}
