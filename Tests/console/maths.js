// Tests of the console's pure modules: each is a name and a function that throws. Run in a browser by test_console_maths.py.

import { clamp, isZero, moveAim, presetOf, presets, shape, stepSpeed, velocityOf } from '/console/presets.js';
import { driveMessage, iceServersOf, readMessage } from '/console/protocol.js';
import { clean, defaults } from '/console/settings.js';
import { elapsed, eventWords, measured, signalsOf, sparkPath } from '/console/usage-figures.js';
import { cutWords, fanPath, linkVerdict, movePath, situation, turnPath } from '/console/hud.js';

const show = value => JSON.stringify(value);
const near = (got, wanted, what = '') => { if (!(Math.abs(got - wanted) < 1e-9)) throw new Error(`${what} ${got}, not ${wanted}`); };
const same = (got, wanted, what = '') => { if (show(got) !== show(wanted)) throw new Error(`${what} ${show(got)}, not ${show(wanted)}`); };
const positiveZero = (value, what) => { if (!Object.is(value, 0)) throw new Error(`${what}: ${Object.is(value, -0) ? '-0' : value}, not 0`); };
const straight = { deadzone: 0.2, curve: 0, sensitivity: 1, speed: 1 };
const limits = { vx: 1, vy: 0.5, vyaw: 2 };

export const tests = {
  'nothing comes out of the dead zone, and what comes out begins at nothing'() {
    for (const value of [0, -0, 0.1, -0.2, 0.2]) positiveZero(shape(value, straight), `shape(${value})`);
    near(shape(0.2 + 1e-9, straight), 1e-9 / 0.8);
    near(shape(0.6, straight), 0.5);
    near(shape(-0.6, straight), -0.5);
  },
  'full stick is full speed in every preset that is sensitive enough, and never more'() {
    for (const [name, preset] of Object.entries(presets)) {
      near(shape(1, preset), Math.min(preset.sensitivity, 1), name);
      near(shape(-1, preset), -Math.min(preset.sensitivity, 1), name);
      near(shape(40, preset), shape(1, preset), name);
    }
  },
  'shaping is odd and rises'() {
    for (const [name, preset] of Object.entries(presets)) {
      let last = -Infinity;
      for (let index = -100; index <= 100; index++) {
        const value = shape(index / 100, preset);
        near(value, -shape(-index / 100, preset), name);
        if (value < last) throw new Error(`${name} falls at ${index / 100}`);
        last = value;
      }
    }
  },
  'a full dead zone still takes the full stick'() { near(shape(1, { ...straight, deadzone: 1 }), 1); },
  'what is no number is rest'() {
    for (const value of [NaN, Infinity, -Infinity, undefined, null, '1']) positiveZero(shape(value, straight), show(value));
    same(velocityOf({}, straight, {}), { vx: 0, vy: 0, vyaw: 0 });
    same(velocityOf({ forward: 1, strafe: 1, turn: 1 }, straight, { vx: NaN }), { vx: 0, vy: 0, vyaw: 0 });
  },
  'axes become velocities of the robot by its limits, its mode and the speed limit'() {
    same(velocityOf({ forward: 1, strafe: -1, turn: 0.5 }, { ...straight, deadzone: 0 }, limits), { vx: 1, vy: -0.5, vyaw: 1 });
    same(velocityOf({ forward: 1, strafe: 0, turn: -1 }, { ...straight, speed: 0.5 }, limits, 0.4), { vx: 0.2, vy: 0, vyaw: -0.4 });
  },
  'rest is rest without a sign'() {
    const rest = velocityOf({ forward: -0, strafe: -0.1, turn: -0 }, straight, limits);
    for (const [axis, value] of Object.entries(rest)) positiveZero(value, axis);
    if (!isZero(rest)) throw new Error('rest is not zero');
  },
  'the wheel goes by tenths and stays between a tenth and all'() {
    near(stepSpeed(0.5, 1), 0.6);
    near(stepSpeed(0.1, -1), 0.1);
    near(stepSpeed(1, 3), 1);
    near(clamp(5, 0, 2), 2);
  },
  'a preset is known by its values'() {
    for (const [name, preset] of Object.entries(presets)) same(presetOf(preset), name);
    same(presetOf({ ...presets.normal, curve: 0.5 }), 'custom');
  },
  'the camera stays within its reach, given as a size or as two ends'() {
    same(moveAim({ pan: 1, tilt: 0 }, 1, -2, { pan: 1.5, tilt: 0.5 }), { pan: 1.5, tilt: -0.5 });
    same(moveAim({ pan: 0, tilt: 0 }, -9, 9, { pan: [-1, 2], tilt: [-0.25, 0.75] }), { pan: -1, tilt: 0.75 });
  },
  'a drive message has every field of the protocol, and the camera only when it is aimed'() {
    const velocity = { vx: 0.4, vy: -0, vyaw: -0.2 };
    const message = driveMessage({ epoch: 3, seq: 17, t: 1234.5, seen: 90000, hold: true, velocity, aim: null });
    same(message, { type: 'drive', epoch: 3, seq: 17, t: 1234.5, seen: 90000, hold: true, vx: 0.4, vy: 0, vyaw: -0.2 });
    const aimed = driveMessage({ epoch: 1, seq: 1, t: 0, seen: 0, hold: false, velocity, aim: { pan: 0.1, tilt: -0.2 } });
    same([aimed.pan, aimed.tilt], [0.1, -0.2]);
  },
  'what is no message is none'() {
    for (const data of ['', '{', '[]', 'null', '1', '{"type":1}', '{}', new ArrayBuffer(2)]) same(readMessage(data), null, show(data));
    same(readMessage('{"type":"x"}'), { type: 'x' });
  },
  'ICE servers are read of Link headers (RFC 9725, 4.6)'() {
    same(iceServersOf('<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; username="us\\"er"; '
      + 'credential="pass"; credential-type="password", <https://example.net/>; rel="next"'),
    [{ urls: 'stun:stun.example.net' }, { urls: 'turn:turn.example.net?transport=udp', username: 'us"er', credential: 'pass' }]);
    same(iceServersOf('<turn:a.example>; rel="ice-server"; username="u<,>"; credential="a<b", <stun:b.example>; rel="ice-server"'),
      [{ urls: 'turn:a.example', username: 'u<,>', credential: 'a<b' }, { urls: 'stun:b.example' }]);
    for (const header of [null, '', 'nonsense', '<>', '<turn:a.example>; rel="ice-server"; username="u"']) same(iceServersOf(header), []);
  },
  'settings of nothing and of nonsense are the default ones'() {
    for (const given of [null, undefined, 7, 'x', [], {}, { feel: null, keys: 3, pad: { axes: 'x' }, mouse: [] }]) same(clean(given), clean(defaults), show(given));
    same(clean({ feel: { deadzone: NaN, curve: 9, sensitivity: '2', speed: -1 } }).feel, { deadzone: 0.15, curve: 1, sensitivity: 1, speed: 0.1 });
    same(clean({ keys: { forward: ['<script>'], back: ['KeyB'] } }).keys.forward, defaults.keys.forward);
    same(clean({ keys: { forward: ['<script>'], back: ['KeyB'] } }).keys.back, ['KeyB']);
    same(clean({ pad: { buttons: { stop: null, hold: 99 } } }).pad.buttons.stop, null);
    same(clean({ pad: { buttons: { stop: null, hold: 99 } } }).pad.buttons.hold, defaults.pad.buttons.hold);
    same(clean(clean({ name: ' Ada ', theme: 'light' })), clean({ name: 'Ada', theme: 'light' }));
  },
  'the worst of the link is said first'() {
    const good = { state: 'live', frames: 9, sinceFrame: 20, viewAge: 50, queueAge: 1, delay: 60, rtt: 3, loss: 0, fps: 30 };
    same(linkVerdict(good, null, false), { level: 'good', words: 'Link is good' });
    same(linkVerdict({ ...good, viewAge: 420 }, { view_age_ms: 400 }, true), { level: 'bad', words: 'Picture 420 ms old — robot stopped' });
    same(linkVerdict({ ...good, sinceFrame: 1240, loss: 0.5 }, null, false), { level: 'bad', words: 'Picture frozen for 1.2 s' });
    same(linkVerdict({ ...good, loss: 0.12 }, null, false).words, '12 % of the packets are lost');
    same(linkVerdict({ ...good, state: 'lost' }, null, false).words, 'Link lost');
    same(linkVerdict({ ...good, viewAge: null, queueAge: null, delay: null, rtt: null, fps: null, loss: null }, null, false).level, 'good');
  },
  'of a recording it is said what went on, and nothing to do'() {
    const safety = { state: 'idle', reason: null, latched: false, rest_needed: true, fault: null };
    const ada = { state: 'held', yours: false, holder: { name: 'Ada' } };
    const said = (changes, lease = ada, command = null) => {
      const { title, words } = situation({ state: 'live', telemetry: { safety: { ...safety, ...changes }, command }, lease, control: { stop: 'clear' }, recorded: true });
      return `${title} ${words}`;
    };
    same(said({}), 'Recording. Ada drives.');
    same(said({}, { state: 'free', holder: null }), 'Recording. Nobody drives.');
    same(said({ state: 'moving' }, ada, { rules: ['delay_cap'] }), 'Recording. Ada drives: slowed for the delay.');
    same(said({ state: 'stopped', reason: 'silence' }), 'Recording. Stopped: no commands arrived.');
    same(said({ latched: true }), 'Recording. Emergency stop.');
    same(said({ fault: 'left wheel: hot' }), 'Recording. Robot fault: left wheel: hot');
  },
  'the state of the robot is said with what to do next'() {
    const safety = { state: 'idle', reason: null, latched: false, rest_needed: false, fault: null };
    const mine = { state: 'held', yours: true, holder: { name: 'Ada' } };
    const control = { stop: 'clear', hold: false };
    const said = (changes, lease = mine, other = {}) =>
      Object.values(situation({ state: 'live', telemetry: { safety: { ...safety, ...changes } }, lease, control: { ...control, ...other } })).join(' ');
    const table = [
      [said({ state: 'moving' }), 'good Driving.'],
      [said({ state: 'stopped', reason: 'silence', rest_needed: true }), 'Let go once'],
      [said({ latched: true }), 'Hold STOPPED'],
      [said({ latched: true }, { ...mine, yours: false }), 'Who is in control'],
      [said({}, { ...mine, state: 'suspended' }), 'Confirm'],
      [said({}, { state: 'free', yours: false, holder: null }), 'Press Drive'],
      [said({}, { ...mine, yours: false }), 'Ada drives'],
      [said({}, mine, { stop: 'stopping' }), 'Stopping'],
      [said({ fault: 'left wheel: overheated' }), 'left wheel'],
    ];
    for (const [got, wanted] of table) if (!got.includes(wanted)) throw new Error(`“${got}” has no “${wanted}”`);
  },
  'rules are said in words, unknown ones by their name'() {
    same(cutWords({ rules: ['delay_cap'], refused: null }), 'slowed for the delay');
    same(cutWords({ rules: ['moon_phase'], refused: null }), 'moon phase');
    same(cutWords({ rules: [], refused: 'stale' }), 'commands arrive too late');
    same(cutWords(null), '');
  },
  'arrows point where the robot goes'() {
    if (!movePath(1, 0).startsWith('M0 0L0.0 -40.0')) throw new Error(`forward is up: ${movePath(1, 0)}`);
    if (!movePath(0, 1).startsWith('M0 0L-40.0')) throw new Error(`left is left: ${movePath(0, 1)}`);
    if (!/ 0 0 0 -/.test(turnPath(1))) throw new Error(`counter-clockwise is to the left: ${turnPath(1)}`);
    same([movePath(0, 0), turnPath(0)], ['', '']);
  },
  'the range finder is drawn with ahead up and left left, and not at all when it makes no sense'() {
    same(fanPath({ bearings: [Math.PI / 2, 0], limit: 2 }, [1, 4]), 'M0 0L-23.0 -0.0L0.0 -46.0Z');
    for (const [finder, ranges] of [[null, [1]], [{ bearings: [0, 1], limit: 2 }, [1]], [{ bearings: [0, 1], limit: 0 }, [1, 1]], [{}, null]]) {
      same(fanPath(finder, ranges), '');
    }
  },
  'what each signal is worth follows from the reasons of the monitor'() {
    const state = { reasons: ['WebRTC: 1 connections', 'ZMQ: 50.0 Hz', 'Input: 85% confidence', 'Network: 80% confidence', 'waldo: 100% confidence', 'lidar: 61% confidence'] };
    same(signalsOf(state).map(({ id, score, words }) => [id, score, words]), [['webrtc', 90, '1 connection'], ['zmq', 85, '50.0 Hz'], ['input', 85, '85% confidence'],
      ['network', 64, '80% confidence'], ['waldo', 100, 'somebody is in control'], ['lidar', 61, '61% confidence']]);
    same(signalsOf({ connections: { network: 2 } }).map(({ score, words }) => [score, words]),
      [[0, 'nothing'], [0, 'nothing'], [0, 'nothing'], [0, '2 active, too little'], [0, 'nobody is in control']]);
    for (const odd of [null, {}, { reasons: 'x' }, { reasons: [null, 7, 'no colon', ': %', 'constructor: NaN%'] }]) {
      if (signalsOf(odd).some(({ score }) => !(score >= 0 && score <= 100))) throw new Error(`a score of ${show(odd)} is none`);
    }
  },
  'what was not measured is no figure'() {
    same(measured({ metrics: { latency_ms: 0, fps: 30, bandwidth_mbps: -1, command_rate_hz: 'x' } }),
      { latency_ms: null, bandwidth_mbps: null, packet_loss_pct: null, fps: 30, command_rate_hz: null });
    same(measured({ metrics: { packet_loss_pct: 0 }, connections: { webrtc: 1 } }).packet_loss_pct, 0);
    same(Object.values(measured(null)), [null, null, null, null, null]);
  },
  'a sparkline is broken where nothing was measured and where nothing came'() {
    const sample = (at, fps) => ({ at, values: { fps } }), options = { span: 100, width: 100, height: 10, gap: 25, floor: 10 };
    same(sparkPath([sample(0, 11), sample(20, 0), sample(40, null), sample(60, 11), sample(90, 11), sample(100, 11)], 'fps', 100, options).path,
      'M0.0 0.9L20.0 10.0M60.0 0.9h.1M90.0 0.9L100.0 0.9');
    same(sparkPath([], 'fps', 100, options), { path: '', top: 11 });
    same(sparkPath([sample(-1, 5)], 'fps', 100, options).path, '');
  },
  'events become sentences, and what is no news none'() {
    same(eventWords({ type: 'operator_connected', data: { operator: 'unknown' } }), { level: 'quiet', words: 'somebody without a name came' });
    same(eventWords({ type: 'latency_warning', data: { metric: 'latency_ms', severity: 'warning', reason: 'Mean 123.45 exceeds threshold 100' } }),
      { level: 'fair', words: 'Latency: Mean 123.45 exceeds threshold 100' });
    same(eventWords({ type: 'teleoperation_stopped', data: { duration: 75.4 } }).words, 'Teleoperation ended after 1 min 15 s');
    for (const type of ['state_update', 'pong', 'constructor', 7, undefined]) same(eventWords({ type }), null);
    same([elapsed(-1), elapsed(59.9), elapsed(3725), elapsed(NaN)], ['0 s', '59 s', '1 h 2 min', '0 s']);
  },
};
