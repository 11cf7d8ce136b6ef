// What the usage monitor says, as figures and words. Pure: no page, no network.

/** The figures of the link that are drawn: key of the monitor's `metrics`, name, unit, digits behind the point. */
export const figures = [
  { key: 'latency_ms', name: 'Latency', unit: 'ms', digits: 0, floor: 20 },
  { key: 'bandwidth_mbps', name: 'Bandwidth', unit: 'Mbit/s', digits: 2, floor: 1 },
  { key: 'packet_loss_pct', name: 'Loss', unit: '%', digits: 1, floor: 1 },
  { key: 'fps', name: 'Frames', unit: '/s', digits: 0, floor: 10 },
  { key: 'command_rate_hz', name: 'Commands', unit: 'Hz', digits: 0, floor: 10 },
];

/** The four detectors that every monitor has, as people call them. */
export const detectorNames = { webrtc: 'WebRTC', zmq: 'ZeroMQ', input: 'Input devices', network: 'Network pattern' };

const number = value => (typeof value === 'number' && Number.isFinite(value) ? value : 0);
const list = value => (Array.isArray(value) ? value.filter(each => typeof each === 'string') : []);

/**
 * The figures of a state; null where nothing was measured. The monitor says 0 for that, so 0 counts as measured only for the loss, while a
 * connection is there of which some could be lost.
 */
export function measured(state) {
  const values = {};
  for (const { key } of figures) {
    const value = number(state?.metrics?.[key]);
    const isMeasured = value > 0 || (key === 'packet_loss_pct' && number(state?.connections?.webrtc) > 0);
    values[key] = isMeasured ? value : null;
  }
  return values;
}

/**
 * What each signal adds to the confidence: {id, name, score, words}. The monitor's own and Waldo's come first and always, so that nothing moves.
 * The reasons say what was found, and the rule of the monitor what it is worth: WebRTC 90, ZeroMQ 85, a network pattern 0.8 of its confidence,
 * others theirs.
 */
export function signalsOf(state) {
  const found = new Map();
  for (const reason of list(state?.reasons)) {
    const [, name, words] = reason.match(/^([^:]{1,64}): (.*)$/s) ?? [];
    if (name === undefined) continue;
    const id = name.toLowerCase(), percent = Math.min(Math.max(number(parseFloat(words)), 0), 100);
    found.set(id, { score: id === 'webrtc' ? 90 : id === 'zmq' ? 85 : id === 'network' ? 0.8 * percent : percent, words });
  }
  const built = Object.entries(detectorNames).map(([id, name]) => {
    const connections = number(state?.connections?.[id]);
    const words = found.get(id)?.words.replace(/^1 connections$/, '1 connection') ?? (connections > 0 ? `${connections} active, too little` : 'nothing');
    return { id, name, score: found.get(id)?.score ?? 0, words };
  });
  const told = { id: 'waldo', name: 'Waldo', score: found.get('waldo')?.score ?? 0, words: found.has('waldo') ? 'somebody is in control' : 'nobody is in control' };
  const others = [...found].filter(([id]) => id !== 'waldo' && !Object.hasOwn(detectorNames, id))
    .map(([id, { score, words }]) => ({ id, name: id, score, words }));
  return [...built, told, ...others];
}

/**
 * The path of a sparkline over the `span` ms before `now`, in a box of `width` x `height`: {path, top}; `top` is the value of the upper edge.
 * It is broken where nothing was measured and where no sample came for `gap` ms.
 */
export function sparkPath(samples, key, now, { span = 60_000, width = 120, height = 32, gap = 2500, floor = 1 } = {}) {
  const shown = samples.filter(({ at }) => at >= now - span);
  const top = Math.max(floor, ...shown.map(({ values }) => values[key] ?? 0)) * 1.1;
  let path = '', last = null, isPoint = false;
  for (const { at, values } of shown) {
    const value = values[key];
    if (value === null || value === undefined) {
      if (isPoint) path += 'h.1';
      last = null;
      isPoint = false;
      continue;
    }
    const x = (width - ((now - at) / span) * width).toFixed(1), y = (height - (value / top) * height).toFixed(1);
    const isNew = last === null || at - last > gap;
    if (isNew && isPoint) path += 'h.1';
    path += `${isNew ? 'M' : 'L'}${x} ${y}`;
    isPoint = isNew;
    last = at;
  }
  return { path: isPoint ? `${path}h.1` : path, top };
}

/** `75` s: `1 min 15 s`. */
export function elapsed(seconds) {
  const whole = Math.max(Math.floor(number(seconds)), 0);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min ${whole % 60} s` : `${whole} s`;
}

/** A name for somebody of whom none is known. */
export const operatorName = name => (name === 'unknown' || !name ? 'somebody without a name' : name);

const metricNames = { ...Object.fromEntries(figures.map(({ key, name }) => [key, name])), cpu_usage_pct: "The monitor's processor time", memory_usage_mb: "The monitor's memory" };
const names = value => list(value).map(operatorName).join(', ') || 'nobody';

const sentences = {
  teleoperation_started: data => ['good', `Teleoperation began: ${names(data.operators)}`],
  teleoperation_stopped: data => ['quiet', `Teleoperation ended after ${elapsed(data.duration)}`],
  operator_connected: data => ['quiet', `${operatorName(String(data.operator ?? ''))} came`],
  operator_disconnected: data => ['quiet', `${operatorName(String(data.operator ?? ''))} left after ${elapsed(data.connected_seconds)}`],
  connection_established: data => ['quiet', `${detectorNames[data.kind] ?? 'A'} connection with ${String(data.remote ?? '?')}`],
  connection_lost: data => ['quiet', `${detectorNames[data.kind] ?? 'A'} connection with ${String(data.remote ?? '?')} ended`],
  emergency_stop: data => ['bad', `Emergency stop by ${operatorName(String(data.operator ?? ''))}`],
  mode_changed: data => ['quiet', `${operatorName(String(data.operator ?? ''))} changed the mode`],
  error_occurred: data => ['bad', `${String(data.component ?? 'Something')}: ${String(data.message ?? 'failed')}`],
};

/** What an event is to people: {level, words}; null: nothing that a list of what happened should hold. */
export function eventWords({ type, data }) {
  const about = data && typeof data === 'object' ? data : {};
  if (typeof type !== 'string') return null;
  if (type === 'alert' || type.endsWith('_warning')) {
    const subject = metricNames[about.metric] ?? String(about.metric ?? 'Alert');
    const level = about.severity === 'info' ? 'quiet' : about.severity === 'critical' ? 'bad' : 'fair';
    return { level, words: `${subject}: ${String(about.reason ?? '')}` };
  }
  const made = Object.hasOwn(sentences, type) ? sentences[type](about) : null;
  return made && { level: made[0], words: made[1] };
}
