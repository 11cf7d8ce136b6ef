// Gamepads: polled, for the Gamepad API tells of plugging and pulling only.

const pressed = button => button !== undefined && (button.pressed || button.value > 0.5);

export class Gamepad {
  name = 'gamepad';
  /** What the pad shows now: {id, axes, buttons}; null: none. */
  state = null;
  sideways = false;
  /** Its buttons are being given a meaning, and do nothing. */
  capturing = false;

  #settings;
  #act;
  #lost;
  #was = new Set();
  #mapping;
  #released = true;

  /** `act(name, down)` for buttons, `lost()` when the pad goes. */
  constructor(settings, act, lost) {
    this.#settings = settings;
    // A pad shows itself by its first press: that one counts.
    this.#mapping = JSON.stringify(settings.value.pad.buttons);
    this.#act = act;
    this.#lost = lost;
    addEventListener('gamepaddisconnected', () => this.poll());
  }

  /** Reads the pad and tells of its buttons; also on screens where nothing is driven. */
  poll() {
    const pads = [...(navigator.getGamepads?.() ?? [])].filter(pad => pad?.connected);
    const pad = pads.find(each => each.mapping === 'standard') ?? pads[0];
    if (!pad) {
      if (this.state) {
        this.state = null;
        this.#was.clear();
        this.#released = true;
        this.#lost();
      }
      return null;
    }
    this.state = { id: pad.id, axes: [...pad.axes], buttons: pad.buttons.map(button => button.value) };
    const { buttons } = this.#settings.value.pad;
    // What is down while its meaning changes does nothing until it is pressed anew.
    const mapping = JSON.stringify(buttons);
    const acts = !this.capturing && mapping === this.#mapping;
    this.#mapping = mapping;
    for (const [name, index] of Object.entries(buttons)) {
      const down = index !== null && pressed(pad.buttons[index]);
      if (down === this.#was.has(name)) continue;
      if (down) this.#was.add(name);
      else this.#was.delete(name);
      if (acts) this.#act(name, down);
    }
    return pad;
  }

  sample() {
    const pad = this.poll();
    if (!pad) return null;
    const { axes, hold } = this.#settings.value.pad;
    const dead = this.#settings.value.feel.deadzone;
    const read = ({ index, sign }) => (Number.isFinite(pad.axes[index]) ? pad.axes[index] * sign + 0 : 0);
    const values = { forward: read(axes.forward), strafe: read(axes.strafe), turn: read(axes.turn) };
    // A robot that cannot go sideways turns with either stick.
    if (!this.sideways) Object.assign(values, { turn: Math.min(Math.max(values.turn + values.strafe, -1), 1), strafe: 0 });
    const deflected = Object.values(values).some(value => Math.abs(value) > dead);
    // After a let-go nothing moves before the sticks have been at rest once.
    if (!deflected) this.#released = false;
    const held = hold === 'stick' ? deflected : this.#was.has('hold') || this.#was.has('holdToo');
    this.waitsFor = deflected && this.#released ? 'rest' : deflected && !held ? 'trigger' : null;
    const direction = (positive, negative) => (this.#was.has(positive) ? 1 : 0) - (this.#was.has(negative) ? 1 : 0);
    return { ...values, hold: held && !this.#released, pan: direction('lookLeft', 'lookRight'), tilt: direction('lookUp', 'lookDown') };
  }

  /** Why the deflected stick does nothing: `trigger` (nobody holds the dead-man), `rest` (it was not let go yet), or null. */
  waitsFor = null;

  release() { this.#released = true; }
}
