// What the screen says: pure readings of telemetry and link figures.

import { refusalWords, ruleWords, stopReasons } from './protocol.js';

const ms = value => `${Math.round(value)} ms`;
const seconds = value => (value < 9950 ? `${(value / 1000).toFixed(1)} s` : `${Math.round(value / 1000)} s`);

/**
 * The one thing about the link that a driver should know: {level, words}. `figures`: {state, sinceFrame, viewAge, queueAge, delay, rtt, loss,
 * fps, bitrate, frames} in ms, shares and bit/s; null where unknown.
 */
export function linkVerdict(figures, profile, stopped) {
  const robot = stopped ? ' — robot stopped' : '';
  const limit = profile?.view_age_ms ?? 400;
  const say = (level, words) => ({ level, words });
  if (figures.state !== 'live') return say('bad', { connecting: 'Connecting…', lost: 'Link lost', pictures: 'Pictures only' }[figures.state] ?? 'No link');
  if (figures.frames === 0) return say('fair', 'Waiting for the first picture');
  if (figures.sinceFrame > Math.max(limit, 250)) return say('bad', `Picture frozen for ${seconds(figures.sinceFrame)}${robot}`);
  if (figures.viewAge > limit) return say('bad', `Picture ${ms(figures.viewAge)} old${robot}`);
  if (figures.queueAge > (profile?.staleness_ms ?? 100)) return say('bad', `Commands ${ms(figures.queueAge)} late${robot}`);
  if (figures.loss > 0.1) return say('bad', `${Math.round(figures.loss * 100)} % of the packets are lost`);
  if (figures.delay > 300) return say('bad', `Delay ${ms(figures.delay)}: drive slowly`);
  if (figures.fps !== null && figures.fps < 8) return say('bad', `Only ${Math.round(figures.fps)} frames/s`);
  if (figures.viewAge > limit / 2) return say('fair', `Picture ${ms(figures.viewAge)} old`);
  if (figures.delay > 150) return say('fair', `Delay ${ms(figures.delay)}`);
  if (figures.rtt > 150) return say('fair', `Round trip ${ms(figures.rtt)}`);
  if (figures.loss > 0.03) return say('fair', `${Math.round(figures.loss * 100)} % of the packets are lost`);
  if (figures.fps !== null && figures.fps < 20) return say('fair', `Only ${Math.round(figures.fps)} frames/s`);
  return say('good', 'Link is good');
}

/** What the robot does and what the person can do now: {level, title, words}. */
export function situation({ state, telemetry, lease, control, mayDrive = true, recorded = false, stickWaitsFor, touch }) {
  const say = (level, title, words = '') => ({ level, title, words });
  if (state === 'pictures') return say('bad', 'Pictures only.', 'Driving needs WebRTC, which does not get through. STOP works.');
  if (state !== 'live') return say('quiet', { connecting: 'Connecting…', lost: 'Link lost.', refused: 'No session.' }[state] ?? 'No link.');
  const safety = telemetry?.safety;
  if (!safety) return say('quiet', 'Connected.', 'Waiting for the robot.');
  if (recorded) return say('quiet', 'Recording.', recordedWords(safety, lease, telemetry.command));
  const mine = lease?.yours === true;
  if (control.stop === 'stopping') return say('bad', 'Stopping…', 'Until the robot confirms it.');
  if (safety.fault) return say('bad', 'Robot fault.', String(safety.fault));
  if (safety.latched) {
    const clear = mine && lease.state === 'held' ? 'Hold STOPPED to clear it.' : 'Who is in control may clear it.';
    return say('bad', 'Emergency stop.', clear);
  }
  if (mine && lease.state === 'suspended') return say('fair', 'Control is suspended.', 'No commands came for a while. Press Confirm to go on.');
  const because = stopReasons[safety.reason] ?? safety.reason;
  if (!mine) {
    if (lease?.request?.mine) return say('fair', 'Asked for control.', `Waiting for ${lease.holder?.name ?? 'the driver'}.`);
    if (lease?.holder) return say('quiet', `${lease.holder.name ?? 'Somebody'} drives.`, safety.state === 'stopped' ? `Robot stopped: ${because}.` : 'You watch.');
    return say('quiet', 'Nobody drives.', mayDrive ? 'Press Drive to take control.' : 'You watch.');
  }
  if (safety.rest_needed) return say('fair', `Stopped: ${because ?? 'by itself'}.`, 'Let go once, then drive.');
  if (stickWaitsFor === 'trigger') return say('fair', 'Stick moved.', 'Hold the dead-man (LB or LT), too.');
  if (stickWaitsFor === 'rest' && !control.hold) return say('fair', 'Stick moved.', 'Let go of it once, then drive.');
  if (safety.state === 'slowing') return say('fair', 'Slowing.', 'Commands come late.');
  const refused = telemetry.command?.refused;
  if (refused && control.hold) return say('bad', 'Refused:', `${refusalWords[refused] ?? refused}.`);
  if (safety.state === 'stopped') return say('fair', `Stopped: ${because ?? 'by itself'}.`, control.hold ? '' : 'Drive on when you are ready.');
  if (safety.state === 'moving') return say('good', 'Driving.', cutWords(telemetry.command) && `${sentence(cutWords(telemetry.command))}.`);
  return say('good', 'You are in control.', touch ? 'Use the thumb pads.' : 'Drive with WASD, a gamepad, or click the picture.');
}

/** What went on when it was recorded. */
function recordedWords(safety, lease, command) {
  const because = stopReasons[safety.reason] ?? safety.reason;
  if (safety.fault) return `Robot fault: ${safety.fault}`;
  if (safety.latched) return 'Emergency stop.';
  if (safety.state === 'stopped') return `Stopped: ${because ?? 'by itself'}.`;
  const who = lease?.holder ? `${lease.holder.name || 'Somebody'} drives` : 'Nobody drives';
  const cut = safety.state === 'moving' ? cutWords(command) : '';
  return cut ? `${who}: ${cut}.` : `${who}.`;
}

const sentence = words => words[0].toUpperCase() + words.slice(1);

/** What cut the asked velocity, in words; empty: nothing did. */
export function cutWords(command) {
  if (!command) return '';
  if (command.refused) return command.refused === 'estop' ? '' : refusalWords[command.refused] ?? command.refused;
  const rules = (command.rules ?? []).filter(rule => rule !== 'slew' || command.rules.length === 1);
  return rules.map(rule => ruleWords[rule] ?? rule.replaceAll('_', ' ')).join(', ');
}

/** Paths of the dial: an arrow for a movement and an arc for a turn, each as a share of the most. */
export function movePath(vx, vy) {
  const size = Math.hypot(vx, vy);
  if (size < 0.01) return '';
  const length = Math.min(size, 1) * 40, x = -vy / size, y = -vx / size;
  const at = (along, aside) => `${(x * along - y * aside).toFixed(1)} ${(y * along + x * aside).toFixed(1)}`;
  const head = Math.min(length, 9);
  return `M0 0L${at(length, 0)}M${at(length - head, -head * 0.6)}L${at(length, 0)}L${at(length - head, head * 0.6)}`;
}

export function turnPath(vyaw) {
  const share = Math.min(Math.max(vyaw, -1), 1);
  if (Math.abs(share) < 0.01) return '';
  // Counter-clockwise is to the left on the dial as on the robot.
  const angle = -share * Math.PI * 0.75, end = [Math.sin(angle) * 54, -Math.cos(angle) * 54];
  return `M0-54A54 54 0 ${Math.abs(angle) > Math.PI ? 1 : 0} ${share > 0 ? 0 : 1} ${end.map(each => each.toFixed(1)).join(' ')}`;
}

/** What the range finder sees, as a shape around the robot: the rim of the dial is as far as it can see. */
export function fanPath(finder, ranges) {
  const { bearings = [], limit = 0 } = finder ?? {};
  if (!(limit > 0) || bearings.length < 2 || !Array.isArray(ranges) || ranges.length !== bearings.length) return '';
  const points = bearings.map((bearing, index) => {
    const reach = Math.min(Math.max(ranges[index] ?? limit, 0), limit) / limit * 46;
    return `${(-Math.sin(bearing) * reach).toFixed(1)} ${(-Math.cos(bearing) * reach).toFixed(1)}`;
  });
  return `M0 0L${points.join('L')}Z`;
}
