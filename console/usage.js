// The conversation with the usage monitor of the robot's computer, through the station: found by itself, and again after its end.

import { ask } from './link.js';
import { eventWords, measured } from './usage-figures.js';

const FIRST = 1500;
const AGAIN = 10_000;
const AGAIN_WHILE_LOOKED_AT = 1500;
const SILENCE = 6000;
const SPAN = 60_000;
/** Of a minute, at the most changes that a monitor tells. */
const MOST_SAMPLES = 600;
const MOST_EVENTS = 20;
/** The station shows no monitor, and will not (docs: /api/usage/ws). */
const NEVER = 1008;

/**
 * Events: `change`. `state`: `unknown` until the first answer, `live`, `gone` (there is none, or no longer). Nothing but a WebSocket asks whether
 * there is a monitor: that there is none is no failure to be noted in the browser's log.
 */
export class Usage extends EventTarget {
  state = 'unknown';
  /** The monitor's newest state (spec teleop-monitor, section 3), and when it came. */
  value = null;
  valueAt = 0;
  /** When the monitor was lost, ms since 1970. */
  goneAt = null;
  /** {at, values}: figures of the last minute, null where nothing was measured. */
  samples = [];
  /** {at, level, words}, newest first; `at`: the monitor's time. */
  events = [];
  connects = 0;

  #socket = null;
  #timer = 0;
  #looked = false;

  constructor() {
    super();
    this.#timer = setTimeout(() => this.#connect(), FIRST);
    // A connection that died without a word: the monitor speaks twice a second.
    setInterval(() => this.state === 'live' && !document.hidden && performance.now() - this.valueAt > SILENCE && this.#socket?.close(), 1000);
  }

  get live() { return this.state === 'live'; }

  /** Whether somebody looks: then it is asked for more often. */
  set looked(looked) {
    this.#looked = looked;
    if (looked && !this.#socket) this.#again(0);
  }

  #connect() {
    const address = new URL('/api/usage/ws', location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onmessage = ({ data }) => this.#socket === socket && this.#take(data);
    socket.onclose = ({ code }) => this.#socket === socket && this.#lost(code);
  }

  #lost(code) {
    this.#socket = null;
    if (this.state === 'live') this.goneAt = Date.now();
    this.state = 'gone';
    this.dispatchEvent(new Event('change'));
    if (code !== NEVER) this.#again(this.#looked ? AGAIN_WHILE_LOOKED_AT : AGAIN);
  }

  #again(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#socket ?? this.#connect(), wait);
  }

  #take(text) {
    let message;
    try { message = JSON.parse(text); } catch { return; }
    if (!message || typeof message !== 'object') return;
    if (message.type === 'initial_state') {
      this.state = 'live';
      if (this.connects++ === 0) this.#readAlerts();
      this.#keep(message.data);
    } else if (message.type === 'state_update') {
      this.#keep(message.data?.state);
    } else {
      this.#note(message);
    }
    this.dispatchEvent(new Event('change'));
  }

  #note(message) {
    const said = eventWords(message), at = Date.parse(message.timestamp) || Date.now();
    if (!said || this.events.some(event => event.at === at && event.words === said.words)) return;
    this.events.push({ at, ...said });
    this.events.sort((one, other) => other.at - one.at);
    this.events.length = Math.min(this.events.length, MOST_EVENTS);
  }

  /** Those of before this page was opened. */
  async #readAlerts() {
    try {
      const { alerts } = await (await ask('/api/usage/alerts')).json();
      for (const data of Array.isArray(alerts) ? alerts : []) this.#note({ type: 'alert', data, timestamp: data?.timestamp });
    } catch { return; }
    this.dispatchEvent(new Event('change'));
  }

  #keep(state) {
    if (!state || typeof state !== 'object') return;
    const now = performance.now();
    [this.value, this.valueAt] = [state, now];
    this.samples.push({ at: now, values: measured(state) });
    while (this.samples.length > MOST_SAMPLES || this.samples[0].at < now - SPAN) this.samples.shift();
  }
}
