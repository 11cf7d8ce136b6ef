// Sends what the person asks: sampled at 60 Hz, sent at 30 Hz, at once on the way to and from rest.

import { driveMessage } from './protocol.js';
import { isZero, moveAim, velocityOf } from './presets.js';
import { ask } from './link.js';

const SAMPLE_EVERY = 1000 / 60;
const SEND_EVERY = 1000 / 30 - 2;
const ZEROS = 4;
const ZERO_EVERY = 50;
const ESTOP_EVERY = 50;
const ESTOP_HTTP_AFTER = 300;
const CAMERA_SPEED = 1.2;

const nothing = { vx: 0, vy: 0, vyaw: 0 };

/**
 * Events: `change` (what is asked or the stop's progress changed), `letgo` (detail: why the inputs were let go).
 *
 * An input is an object with `sample()` → {forward, strafe, turn: −1…1, pan, tilt: −1…1 of the camera's speed, hold, slow} or null,
 * and `release()`.
 */
export class Control extends EventTarget {
  /** The person is at the controls: on the drive screen, with the page in view and in focus. */
  attended = false;
  asked = nothing;
  hold = false;
  source = null;
  aim = null;
  sent = 0;
  zeros = 0;
  dropped = 0;
  seq = 0;
  epoch = null;
  lastMessage = null;
  /** `clear`, `stopping` (asked for, the robot has not shown the latch yet), `latched`. */
  stop = 'clear';
  stopSince = 0;

  #link;
  #settings;
  #inputs = [];
  #sentAt = -Infinity;
  #zerosLeft = 0;
  #zeroTimer = 0;
  #onScreen = false;
  #estopTimer = 0;
  #estopPosted = false;

  constructor(link, settings) {
    super();
    this.#link = link;
    this.#settings = settings;
    setInterval(() => this.sample(), SAMPLE_EVERY);
    document.addEventListener('visibilitychange', () => document.hidden ? this.#leave('the page is hidden') : this.#arrive());
    addEventListener('blur', () => this.#leave('the window lost focus'));
    addEventListener('focus', () => this.#arrive());
    // Before the link's own farewell: the channel still takes the zeros.
    addEventListener('pagehide', () => this.#leave('the page was closed', true), { capture: true });
    for (const event of ['pointerdown', 'keydown']) addEventListener(event, () => this.#arrive(), { capture: true });
    link.addEventListener('message', ({ detail }) => this.#hear(detail));
    link.addEventListener('state', () => this.#linkChanged());
    settings.addEventListener('change', () => this.sample());
  }

  add(input) { this.#inputs.push(input); }

  get drives() {
    const lease = this.#link.lease;
    return this.#link.live && lease?.yours === true && lease.state === 'held';
  }

  /** How fast the present mode lets the robot be, 0…1. */
  get factor() {
    const profile = this.#link.profile;
    const mode = this.#link.telemetry?.safety?.mode ?? profile?.mode;
    return profile?.modes?.find(each => each.name === mode)?.factor ?? 1;
  }

  setOnScreen(onScreen) {
    this.#onScreen = onScreen;
    if (onScreen) this.#arrive();
    else this.#leave('another screen is open');
  }

  #arrive() {
    if (this.#onScreen && !document.hidden && document.hasFocus()) this.attended = true;
  }

  #leave(reason, atOnce = document.hidden) {
    const was = this.attended;
    this.attended = false;
    if (was) this.letGo(reason, atOnce);
  }

  /** Lets the dead-man go and tells the robot zero, four times. */
  letGo(reason, atOnce = false) {
    for (const input of this.#inputs) input.release();
    Object.assign(this, { asked: nothing, hold: false, source: null });
    this.#zerosLeft = ZEROS;
    clearTimeout(this.#zeroTimer);
    // Timers of a hidden page come late.
    while (this.#zerosLeft > 0 && (atOnce || this.#zerosLeft === ZEROS)) this.#sendZero();
    if (this.#zerosLeft > 0) this.#zeroTimer = setTimeout(() => this.#nextZero(), ZERO_EVERY);
    this.dispatchEvent(new CustomEvent('letgo', { detail: reason }));
    this.#changed();
  }

  #nextZero() {
    if (this.#zerosLeft <= 0) return;
    this.#sendZero();
    if (this.#zerosLeft > 0) this.#zeroTimer = setTimeout(() => this.#nextZero(), ZERO_EVERY);
  }

  #sendZero() {
    this.#zerosLeft--;
    this.#send(nothing, false, performance.now());
  }

  /** Also called by inputs the moment that they change. */
  sample() {
    if (!this.attended) return;
    const now = performance.now();
    const axes = { forward: 0, strafe: 0, turn: 0 };
    let hold = false, slow = false, pan = 0, tilt = 0, source = null;
    for (const input of this.#inputs) {
      const sample = input.sample(now);
      if (!sample) continue;
      pan += sample.pan ?? 0;
      tilt += sample.tilt ?? 0;
      slow ||= sample.slow === true;
      if (!sample.hold) continue;
      hold = true;
      for (const axis of Object.keys(axes)) axes[axis] += sample[axis] ?? 0;
      if (sample.forward || sample.strafe || sample.turn || !source) source = input.name;
    }
    this.#look(pan * CAMERA_SPEED * SAMPLE_EVERY / 1000, tilt * CAMERA_SPEED * SAMPLE_EVERY / 1000);
    for (const axis of Object.keys(axes)) axes[axis] = Math.min(Math.max(axes[axis], -1), 1);

    const robot = this.#link.robot;
    let asked = nothing;
    if (robot && this.stop === 'clear') {
      asked = velocityOf(axes, this.#settings.value.feel, robot.limits, this.factor * (slow ? 0.4 : 1));
      if (robot.drive === 'differential') asked.vy = 0;
    }
    const wasZero = isZero(this.asked), isRest = isZero(asked);
    const changed = hold !== this.hold || wasZero !== isRest;
    Object.assign(this, { asked, hold, source });
    if (!isRest) this.#zerosLeft = 0;
    if (changed || now - this.#sentAt >= SEND_EVERY) this.#send(asked, hold, now);
    if (changed) this.#changed();
  }

  /** Turns the camera by so many rad; ahead when called with `null`. */
  look(pan, tilt) {
    if (pan === null) this.aim = this.#reach ? { pan: 0, tilt: 0 } : null;
    else this.#look(pan, tilt);
  }

  get #reach() {
    const { cameras = [] } = this.#link.robot ?? {};
    return (cameras.find(each => each.name === this.#link.camera) ?? cameras[0])?.reach ?? null;
  }

  #look(pan, tilt) {
    const reach = this.#reach;
    if (!reach || (!pan && !tilt) || !this.drives) return;
    this.aim = moveAim(this.aim ?? this.#link.telemetry?.camera ?? { pan: 0, tilt: 0 }, pan, tilt, reach);
  }

  #send(velocity, hold, now) {
    if (!this.drives) return;
    const { epoch } = this.#link.lease;
    if (epoch !== this.epoch) {
      Object.assign(this, { epoch, seq: 0, aim: null });
    }
    const message = driveMessage({ epoch, seq: this.seq + 1, t: now, seen: this.#link.seen, hold, velocity, aim: this.aim });
    if (!this.#link.sendControl(message)) {
      this.dropped++;
      return;
    }
    this.seq = message.seq >>> 0;
    this.sent++;
    if (isZero(velocity)) this.zeros++;
    this.#sentAt = now;
    this.lastMessage = message;
  }

  // The emergency stop

  /** Pulls it, and goes on pulling until the robot shows that it is latched. */
  pull() {
    // Nothing moves in a recording.
    if (this.#link.robot?.drive === 'recorded') return;
    for (const input of this.#inputs) input.release();
    Object.assign(this, { asked: nothing, hold: false, source: null });
    if (this.stop === 'latched' && this.#link.live) return;
    if (this.stop !== 'stopping') {
      this.stop = 'stopping';
      this.stopSince = performance.now();
      this.#estopPosted = false;
      this.#link.request({ type: 'estop' }).catch(() => {});
      clearInterval(this.#estopTimer);
      this.#estopTimer = setInterval(() => this.#pullAgain(), ESTOP_EVERY);
    }
    this.#pullAgain();
    this.#changed();
  }

  #pullAgain() {
    const sent = this.#link.sendControl({ type: 'estop' });
    if ((!sent || performance.now() - this.stopSince > ESTOP_HTTP_AFTER) && !this.#estopPosted) this.#post();
  }

  async #post() {
    this.#estopPosted = true;
    try {
      const id = this.#link.robotID ?? await this.#link.firstRobot();
      await ask(`/api/robots/${encodeURIComponent(id)}/estop`, { method: 'POST', limit: 2000 });
      // Without channels its state is asked for: the latch is believed when it is seen.
      const state = await (await ask(`/api/robots/${encodeURIComponent(id)}/state`, { limit: 2000 })).json();
      if (state.safety?.latched) this.#latched(true);
    } catch { /* Tried again below, for as long as the latch is not seen. */ }
    setTimeout(() => { this.#estopPosted = false; }, 500);
  }

  /** Clears it; throws why the robot does not. */
  async clear() {
    if (!this.#link.live) throw new Error('there is no link to the robot');
    if (!this.#link.lease?.yours) throw new Error('only who is in control may clear it: press Drive first');
    if (this.#link.lease.state !== 'held') throw new Error('confirm your control first');
    for (const input of this.#inputs) {
      const sample = input.sample(performance.now());
      if (sample?.hold && (sample.forward || sample.strafe || sample.turn)) throw new Error('let go of all sticks and keys first');
    }
    this.#send(nothing, false, performance.now());
    await this.#link.request({ type: 'clear', epoch: this.#link.lease.epoch });
  }

  #latched(latched) {
    const stop = latched ? 'latched' : this.stop === 'latched' ? 'clear' : this.stop;
    if (stop !== 'stopping') clearInterval(this.#estopTimer);
    if (stop === this.stop) return;
    this.stop = stop;
    this.#changed();
  }

  #hear(message) {
    if (message.type === 'telemetry' && message.safety) this.#latched(message.safety.latched === true);
  }

  /** The state of a robot that is not linked: asked for by HTTP. */
  told(telemetry) { this.#hear(telemetry); }

  #linkChanged() {
    this.aim = null;
    if (this.#link.live) return;
    for (const input of this.#inputs) input.release();
    Object.assign(this, { asked: nothing, hold: false, source: null });
    // Somebody else may clear it meanwhile: a latch that cannot be seen is none, and STOP pulls.
    if (this.stop === 'latched') this.stop = 'clear';
    this.#changed();
  }

  #changed() { this.dispatchEvent(new Event('change')); }
}
