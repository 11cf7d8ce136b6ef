// The session with a robot: WebRTC by WHEP, its two data channels, its end and its return.

import { CONTROL_CHANNEL, iceServersOf, readMessage } from './protocol.js';

const ATTEMPT_LIMIT = 5000;
const SIGNAL_LIMIT = 4000;
const TELEMETRY_LIMIT = 1000;
const PROBE_WAITS = [0, 250, 350, 500];
const REFUSED_WAITS = [500, 1000, 2000];
const FAILURES_TO_PICTURES = 2;
const SERVERS_FRESH = 30_000;

const sleep = ms => new Promise(resolve => setTimeout(resolve, ms));

/** What the station answered instead of what was asked. */
export class StationError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? `the station answered ${status}`);
    this.status = status;
    this.code = body?.error?.code ?? String(status);
  }
}

export async function ask(path, { limit = SIGNAL_LIMIT, ...options } = {}) {
  const response = await fetch(path, { cache: 'no-store', signal: AbortSignal.timeout(limit), ...options });
  if (!response.ok) throw new StationError(response.status, await response.json().catch(() => null));
  return response;
}

/**
 * Events: `state` (of this object), `message` (detail: one of the robot's), `frame` (detail: its RTP timestamp), `stats`, `media`
 * (new tracks), `answered` (the station has agreed).
 *
 * States: `connecting`; `live`; `lost` (was live, is being rebuilt); `pictures` (no WebRTC: pictures by HTTP, the robot cannot be driven);
 * `refused` (the station does not want us: `problem` says why); `closed`.
 */
export class Link extends EventTarget {
  state = 'closed';
  problem = null;
  robotID = null;
  camera = null;
  robot = null;
  profile = null;
  session = null;
  rights = [];
  telemetry = null;
  telemetryAt = 0;
  lease = null;
  /** RTP timestamp of the newest presented frame, 0: none yet. */
  seen = 0;
  frames = 0;
  frameAt = 0;
  firstFrameMs = null;
  connects = 0;
  lostAt = 0;
  stats = { rtt: null, bitrate: null, fps: null, loss: null, codec: null, width: 0, height: 0, jitterBuffer: null };
  video = null;
  audio = null;
  hasVideo = true;
  operator = '';

  #pc = null;
  #control = null;
  #channel = null;
  #location = null;
  #abandoned = new Set();
  /** ICE servers as the station last named them: their credentials do not last. */
  #iceServers = [];
  #iceServersAt = 0;
  #run = 0;
  #failures = 0;
  #nonce = 0;
  #waiting = new Map();
  #wake = () => {};
  #last = null;
  #staleTicks = 0;
  #element = null;
  #speaker = null;
  /** The robot was asked for by name. */
  #named = false;
  #ended = null;
  #finish = () => {};

  constructor() {
    super();
    setInterval(() => this.#watch(), 250);
    setInterval(() => this.#ping(), 500);
    setInterval(() => this.#measure(), 1000);
    addEventListener('online', () => this.#wake());
    addEventListener('pagehide', () => this.#farewell());
    addEventListener('pageshow', event => event.persisted && this.open(this.robotID, this.camera));
  }

  get live() { return this.state === 'live'; }
  get microphoneSender() { return this.#speaker; }

  /** The picture's element: fed as soon as there is a track. */
  attach(element) {
    this.#element = element;
    if (this.video) element.srcObject = this.video;
    this.#onFrames(element);
  }

  /** Connects to a robot and stays connected; null: the first one that the station has. */
  open(robotID = null, camera = null) {
    this.#end();
    Object.assign(this, { robotID, camera, robot: null, profile: null, telemetry: null, lease: null, session: null, frames: 0, seen: 0 });
    this.state = 'closed';
    this.#failures = this.lostAt = 0;
    this.#named = robotID !== null;
    this.#keep(++this.#run);
  }

  close() {
    this.#run++;
    this.#end();
    this.#become('closed');
  }

  /** On `control`: newest or never. False when there is no channel or it is congested. */
  sendControl(message) {
    if (this.#control?.readyState !== 'open' || this.#control.bufferedAmount > 8192) return false;
    this.#control.send(JSON.stringify(message));
    return true;
  }

  sendState(message) {
    if (this.#channel?.readyState !== 'open') return false;
    this.#channel.send(JSON.stringify(message));
    return true;
  }

  /** A message with a nonce; resolves when the robot agreed, throws its refusal. */
  request(message, limit = 3000) {
    const nonce = ++this.#nonce;
    return new Promise((resolve, reject) => {
      if (!this.sendState({ ...message, nonce })) return reject(new Error('there is no link to the robot'));
      const timer = setTimeout(() => this.#settle(nonce, { ok: false, error: { message: `no answer within ${limit / 1000} s` } }), limit);
      this.#waiting.set(nonce, { resolve, reject, timer });
    });
  }

  setOperator(name) {
    if (this.operator === name) return;
    this.operator = name;
    this.#hello();
  }

  // Keeping the session

  async #keep(run) {
    let refusals = 0;
    for (let tries = 0; run === this.#run; tries++) {
      if (!['pictures', 'refused'].includes(this.state)) this.#become(this.lostAt ? 'lost' : 'connecting');
      // After a failure a small request finds out when the station is back: one that hangs does not hold up the next.
      if (tries > 0 && !await this.#reachable(run)) return;
      try {
        await this.#attempt(run);
        this.#failures = refusals = 0;
        await this.#ended;
        if (run !== this.#run) return;
        tries = 0;
      } catch (error) {
        if (run !== this.#run) return;
        this.#end();
        if (error instanceof StationError) {
          this.problem = error;
          if (error.status === 404 && !this.#named) this.robotID = null;
          this.#become('refused');
          await this.#rest(REFUSED_WAITS[Math.min(refusals++, REFUSED_WAITS.length - 1)]);
        } else {
          this.problem = error;
          if (error.signalled && ++this.#failures >= FAILURES_TO_PICTURES) {
            this.lostAt = 0;
            this.#become('pictures');
            await this.#rest(5000);
          }
        }
      }
    }
  }

  /** Waits, or is woken by the network's return. */
  async #rest(ms) {
    await Promise.race([sleep(ms), new Promise(resolve => { this.#wake = resolve; })]);
  }

  async #reachable(run) {
    for (let probes = 0; run === this.#run; probes++) {
      await this.#rest(PROBE_WAITS[Math.min(probes, PROBE_WAITS.length - 1)]);
      if (run !== this.#run) return false;
      const probe = ask('/api/health', { limit: 3000 }).then(() => true, error => error instanceof StationError);
      if (await Promise.race([probe, sleep(400).then(() => false)])) return true;
      // A late answer counts, too: it ends the next wait.
      probe.then(reached => reached && this.#wake());
    }
    return false;
  }

  async #attempt(run) {
    if (!globalThis.RTCPeerConnection) {
      this.robotID ??= await this.firstRobot();
      throw Object.assign(new Error('this browser has no WebRTC'), { signalled: true });
    }
    const began = performance.now();
    if (this.#iceServers.length && began - this.#iceServersAt > SERVERS_FRESH) await this.#askServers();
    if (run !== this.#run) return;
    const served = this.#iceServers.length > 0;
    const pc = this.#pc = new RTCPeerConnection({ iceServers: this.#iceServers, bundlePolicy: 'max-bundle' });
    const ended = this.#ended = new Promise(resolve => { this.#finish = resolve; });
    const control = this.#control = pc.createDataChannel('control', CONTROL_CHANNEL);
    const channel = this.#channel = pc.createDataChannel('state');
    const video = pc.addTransceiver('video', { direction: 'recvonly' });
    const audio = pc.addTransceiver('audio', { direction: 'sendrecv' });
    for (const { receiver } of [video, audio]) if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    this.#speaker = audio.sender;
    // Streams of their own: a picture does not wait for its sound.
    this.video = new MediaStream([video.receiver.track]);
    this.audio = new MediaStream([audio.receiver.track]);
    if (this.#element) this.#element.srcObject = this.video;
    this.dispatchEvent(new Event('media'));

    const welcomed = new Promise((resolve, reject) => {
      channel.onopen = () => this.#hello();
      channel.onmessage = control.onmessage = event => {
        const message = readMessage(event.data);
        if (message && pc === this.#pc) this.#receive(message, resolve);
      };
      const over = () => {
        if (pc !== this.#pc) return;
        reject(new Error('the connection ended'));
        this.#lose();
      };
      channel.onclose = control.onclose = over;
      pc.onconnectionstatechange = () => ['disconnected', 'failed', 'closed'].includes(pc.connectionState) && over();
    });
    welcomed.catch(() => {});

    // The robot's name and the offer are found at the same time.
    const [robotID] = await Promise.all([this.robotID ?? this.firstRobot(), pc.setLocalDescription()]);
    if (run !== this.#run) return;
    this.robotID = robotID;
    if (!served && this.#iceServers.length) return this.#again(run);
    const query = this.camera ? `?camera=${encodeURIComponent(this.camera)}` : '';
    const response = await ask(`/whep/${encodeURIComponent(robotID)}${query}`,
      { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
    const location = response.headers.get('Location');
    this.#learnServers(response);
    const sdp = await response.text();
    if (run !== this.#run) {
      if (location) this.#abandoned.add(location);
      this.#abandon();
      return;
    }
    this.#location = location;
    if (!served && this.#iceServers.length) return this.#again(run);
    await pc.setRemoteDescription({ type: 'answer', sdp });
    this.dispatchEvent(new Event('answered'));
    this.hasVideo = video.currentDirection === 'recvonly';
    const left = Math.max(ATTEMPT_LIMIT - (performance.now() - began), 1000);
    try {
      await Promise.race([welcomed, sleep(left).then(() => { throw new Error('the media path did not open'); }), ended.then(() => {
        throw new Error('the connection ended');
      })]);
    } catch (error) {
      throw Object.assign(error, { signalled: true });
    }
    this.connects++;
    this.problem = null;
    this.telemetryAt = performance.now();
    this.lostAt = 0;
    this.#abandon();
    this.#become('live');
  }

  /** There are ICE servers, and the connection at hand was made before that was known: who knows of none asks for none beforehand. */
  #again(run) {
    this.#end();
    return this.#attempt(run);
  }

  #learnServers(response) {
    this.#iceServers = iceServersOf(response.headers.get('Link'));
    this.#iceServersAt = performance.now();
  }

  async #askServers() {
    const id = this.robotID ?? await this.firstRobot();
    this.#learnServers(await ask(`/whep/${encodeURIComponent(id)}`, { method: 'OPTIONS' }));
  }

  /** The id of the robot that the station names first. */
  async firstRobot() {
    const response = await ask('/api/robots');
    this.#learnServers(response);
    const { robots } = await response.json();
    if (!robots?.length) throw new StationError(404, { error: { code: 'no_robot', message: 'This station has no robot.' } });
    return robots[0].id;
  }

  #hello() {
    // Without a picture of its own the robot holds this page to the blind speed.
    if (this.operator) this.sendState({ type: 'hello', name: this.operator, view: this.hasVideo ? 'video' : 'none' });
  }

  #receive(message, welcomed) {
    switch (message.type) {
      case 'welcome':
        this.robot = message.robot;
        this.profile = message.profile;
        this.session = message.session;
        this.rights = message.rights ?? [];
        welcomed();
        break;
      case 'telemetry':
        this.telemetry = message;
        this.telemetryAt = performance.now();
        if (message.lease) this.lease = message.lease;
        break;
      case 'lease':
        this.lease = message;
        break;
      case 'pong': {
        const trip = performance.now() - message.t;
        if (trip >= 0 && trip < 60_000) this.stats.rtt = this.stats.rtt === null ? trip : this.stats.rtt * 0.7 + trip * 0.3;
        break;
      }
      case 'ack':
        this.#settle(message.nonce, message);
        break;
    }
    this.dispatchEvent(new CustomEvent('message', { detail: message }));
  }

  #settle(nonce, { ok, error }) {
    const waiting = this.#waiting.get(nonce);
    if (!waiting) return;
    this.#waiting.delete(nonce);
    clearTimeout(waiting.timer);
    if (ok) waiting.resolve();
    else waiting.reject(Object.assign(new Error(error?.message ?? 'refused'), { code: error?.code }));
  }

  #watch() {
    if (!this.live) return;
    // Twice: after the machine slept, what lies in the queue comes first.
    this.#staleTicks = performance.now() - this.telemetryAt > TELEMETRY_LIMIT - 250 ? this.#staleTicks + 1 : 0;
    if (this.#staleTicks >= 2) this.#lose();
  }

  #lose() {
    if (this.live) {
      this.lostAt = performance.now();
      this.telemetry = this.lease = this.session = null;
      this.#become('lost');
    }
    this.#end();
  }

  #end() {
    this.#staleTicks = 0;
    const pc = this.#pc;
    this.#pc = this.#control = this.#channel = this.#speaker = null;
    this.#last = null;
    this.seen = 0;
    Object.assign(this.stats, { rtt: null, bitrate: null, fps: null, loss: null });
    for (const nonce of [...this.#waiting.keys()]) this.#settle(nonce, { ok: false, error: { message: 'the link broke before the robot answered' } });
    if (this.#location) this.#abandoned.add(this.#location);
    this.#location = null;
    this.#abandon();
    pc?.close();
    this.#finish();
    this.#wake();
  }

  /** Ends sessions that are not used any more: one whose end was not heard would keep its lease. */
  #abandon() {
    for (const location of this.#abandoned) {
      ask(location, { method: 'DELETE', keepalive: true }).then(() => this.#abandoned.delete(location), error => {
        if (error instanceof StationError) this.#abandoned.delete(location);
      });
    }
  }

  #farewell() {
    this.#run++;
    this.#end();
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  // Figures

  #ping() {
    this.sendControl({ type: 'ping', t: performance.now() });
  }

  #onFrames(element) {
    const presented = (now, metadata) => {
      const timestamp = metadata?.rtpTimestamp ?? this.#synchronisationSource();
      if (timestamp !== undefined && this.#pc) this.seen = timestamp >>> 0;
      this.frames++;
      this.frameAt = performance.now();
      if (this.firstFrameMs === null) this.firstFrameMs = this.frameAt;
      this.dispatchEvent(new CustomEvent('frame', { detail: this.seen }));
    };
    if ('requestVideoFrameCallback' in element) {
      const next = (now, metadata) => {
        presented(now, metadata);
        element.requestVideoFrameCallback(next);
      };
      element.requestVideoFrameCallback(next);
    } else {
      let last;
      const poll = () => {
        const timestamp = this.#synchronisationSource();
        if (timestamp !== undefined && timestamp !== last) presented(0, { rtpTimestamp: last = timestamp });
        requestAnimationFrame(poll);
      };
      requestAnimationFrame(poll);
    }
  }

  #synchronisationSource() {
    const receiver = this.#pc?.getReceivers().find(each => each.track.kind === 'video');
    return receiver?.getSynchronizationSources()[0]?.rtpTimestamp;
  }

  async #measure() {
    const pc = this.#pc;
    if (!pc || document.hidden) return;
    const report = await pc.getStats();
    if (pc !== this.#pc) return;
    let inbound, codec;
    for (const entry of report.values()) if (entry.type === 'inbound-rtp' && entry.kind === 'video') inbound = entry;
    if (!inbound) return;
    if (inbound.codecId) codec = report.get(inbound.codecId);
    const now = { at: inbound.timestamp, bytes: inbound.bytesReceived ?? 0, frames: this.frames, packets: inbound.packetsReceived ?? 0,
      lost: inbound.packetsLost ?? 0, delay: inbound.jitterBufferDelay ?? 0, emitted: inbound.jitterBufferEmittedCount ?? 0 };
    const then = this.#last;
    this.#last = now;
    const seconds = then ? (now.at - then.at) / 1000 : 0;
    if (seconds > 0.1) {
      const lost = Math.max(now.lost - then.lost, 0), came = now.packets - then.packets;
      Object.assign(this.stats, {
        bitrate: (now.bytes - then.bytes) * 8 / seconds,
        fps: (now.frames - then.frames) / seconds,
        loss: lost + came > 0 ? lost / (lost + came) : 0,
        jitterBuffer: now.emitted > then.emitted ? (now.delay - then.delay) / (now.emitted - then.emitted) * 1000 : null,
        codec: codec?.mimeType?.split('/')[1] ?? null,
        width: inbound.frameWidth ?? 0, height: inbound.frameHeight ?? 0,
      });
    }
    this.dispatchEvent(new Event('stats'));
  }
}
