// From sticks and keys to velocities. Pure.

/** How the sticks feel: `deadzone` and `curve` 0…1, `sensitivity` a factor, `speed` the share of the robot's limit at full stick. */
export const presets = {
  beginner: { deadzone: 0.20, curve: 0.6, sensitivity: 0.7, speed: 0.6 },
  normal: { deadzone: 0.15, curve: 0.35, sensitivity: 1.0, speed: 1.0 },
  advanced: { deadzone: 0.10, curve: 0.2, sensitivity: 1.3, speed: 1.0 },
  sport: { deadzone: 0.08, curve: 0.0, sensitivity: 1.5, speed: 1.0 },
};

export const ranges = { deadzone: [0, 0.9], curve: [0, 1], sensitivity: [0.1, 2], speed: [0.1, 1] };

export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** `value` cut to a finite number between `low` and `high`; `otherwise` for anything that is none. */
export const number = (value, low, high, otherwise) => (Number.isFinite(value) ? clamp(value, low, high) : otherwise);

/** One axis: nothing below the dead zone, from zero at its edge, then bent by the curve (0: straight, 1: cubic), ±1 at most. */
export function shape(value, { deadzone, curve, sensitivity }) {
  const size = Math.abs(number(value, -1, 1, 0));
  if (size <= deadzone && size < 1) return 0;
  const reach = deadzone < 1 ? (size - deadzone) / (1 - deadzone) : 1;
  return Math.sign(value) * Math.min(((1 - curve) * reach + curve * reach ** 3) * sensitivity, 1) + 0;
}

/**
 * What is asked for: `axes` {forward, strafe, turn} are −1…1, forward, left and counter-clockwise positive, `factor` that of
 * the robot's mode. In m/s and rad/s.
 */
export function velocityOf(axes, feel, limits, factor = 1) {
  const scale = feel.speed * factor;
  const along = (axis, limit) => shape(axis, feel) * number(limit, 0, 100, 0) * scale + 0;
  return { vx: along(axes.forward, limits.vx), vy: along(axes.strafe, limits.vy), vyaw: along(axes.turn, limits.vyaw) };
}

export const isZero = velocity => velocity.vx === 0 && velocity.vy === 0 && velocity.vyaw === 0;

/** The name of the preset that a feel is, or `custom`. */
export function presetOf(feel) {
  const same = ([, preset]) => Object.keys(preset).every(key => Math.abs(preset[key] - feel[key]) < 1e-6);
  return Object.entries(presets).find(same)?.[0] ?? 'custom';
}

/** The next speed share of a wheel's notch: steps of a tenth, between a tenth and all. */
export const stepSpeed = (speed, notches) => clamp(Math.round(speed * 10 + notches) / 10, 0.1, 1);

/** A camera's angle, moved and kept within its reach, in rad. */
export const moveAim = (aim, pan, tilt, reach) => ({
  pan: within(aim.pan + pan, reach.pan), tilt: within(aim.tilt + tilt, reach.tilt),
});

const within = (angle, reach) => (Array.isArray(reach) ? clamp(angle, reach[0], reach[1]) : clamp(angle, -(reach ?? 0), reach ?? 0)) + 0;
