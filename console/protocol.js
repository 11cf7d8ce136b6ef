// The messages of docs/teleop-protocol.md, and what they mean in words. Pure: no page, no network.

export const CONTROL_CHANNEL = { ordered: false, maxRetransmits: 0 };

const round = (value, step) => Math.round(value * step) / step + 0;
// Towards rest: what is asked at the limit is not beyond it.
const cut = value => Math.trunc(value * 1e4) / 1e4 + 0;

/** A continuous command. `aim` is where the camera is to look, or null to leave it. */
export function driveMessage({ epoch, seq, t, seen, hold, velocity, aim }) {
  const message = { type: 'drive', epoch, seq, t: round(t, 1e2), seen, hold,
    vx: cut(velocity.vx), vy: cut(velocity.vy), vyaw: cut(velocity.vyaw) };
  if (aim) Object.assign(message, { pan: cut(aim.pan), tilt: cut(aim.tilt) });
  return message;
}

/** A message of the robot; null for anything that is not an object with a type. */
export function readMessage(data) {
  if (typeof data !== 'string') return null;
  try {
    const message = JSON.parse(data);
    return message && typeof message === 'object' && typeof message.type === 'string' ? message : null;
  } catch {
    return null;
  }
}

/** ICE servers of a WHEP answer's `Link` headers (RFC 9725, 4.6). */
export function iceServersOf(header) {
  const servers = [];
  for (const [, url, rest] of (header ?? '').matchAll(/<([^>]*)>((?:[^<"]|"(?:[^"\\]|\\.)*")*)/g)) {
    if (!/rel="?ice-server"?/.test(rest) || !/^(stun|turn)s?:/.test(url)) continue;
    const parameter = name => rest.match(new RegExp(`${name}="((?:[^"\\\\]|\\\\.)*)"`))?.[1].replace(/\\(.)/g, '$1');
    const server = { urls: url };
    if (parameter('username') !== undefined) server.username = parameter('username');
    if (parameter('credential') !== undefined) server.credential = parameter('credential');
    // One entry that a browser refuses would leave it without any connection.
    if (url.startsWith('turn') && !(server.username && server.credential)) continue;
    servers.push(server);
  }
  return servers;
}

/** Why the robot stopped by itself. */
export const stopReasons = {
  silence: 'no commands arrived',
  estop: 'emergency stop',
  lease_lost: 'nobody is in control any more',
  link_lost: 'the link to the driver broke',
  view_stale: 'the picture was too old',
  deadman: 'the dead-man was let go',
  robot_fault: 'the robot reports a fault',
  manual: 'it was stopped by hand',
};

/** What cut a velocity. */
export const ruleWords = {
  clamp: 'limit of the mode',
  delay_cap: 'slowed for the delay',
  slew: 'gentle acceleration',
  blind: 'slow without a picture',
};

/** What refused a command. */
export const refusalWords = {
  estop: 'the emergency stop is pulled',
  authority: 'you are not in control',
  sequence: 'out of order',
  finite: 'not a number',
  stale: 'commands arrive too late',
  view: 'the picture is too old',
  deadman: 'the dead-man is not held',
  rest: 'let go once, then drive',
  fault: 'the robot reports a fault',
};

const refusedActions = {
  not_holder: 'you are not in control: press Drive first',
  old_epoch: 'control has changed meanwhile: try again',
  not_at_rest: 'let go of all sticks and keys first',
};

/** A refused action, for people. */
export const refusal = error => refusedActions[error?.code] ?? error?.message ?? 'the robot refused without a reason';
