// The usage screen: whether the robot's computer is teleoperated, by whom, how sure that is, and how well the link works.

import { make, makeSVG, setAttribute, setHidden, setText } from './page.js';
import { ask } from './link.js';
import { detectorNames, elapsed, figures, operatorName, signalsOf, sparkPath } from './usage-figures.js';

const ASK = 5000;
const BOX = { width: 120, height: 32 };
const modes = { full: ['good', 'sees all'], reduced: ['fair', 'sees part'], off: ['quiet', 'off'] };

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const timeOf = value => (Number.isFinite(value) ? clock.format(value) : '–');

export class UsageScreen {
  title = 'Usage';
  #usage;
  #parts = null;
  #timer = 0;
  #asker = 0;
  #isDue = false;
  #shown = false;
  #detectors = {};
  #drivers = new Map();
  #signature = '';
  #events = null;

  constructor(usage) {
    this.#usage = usage;
    usage.addEventListener('change', () => this.#changed());
  }

  show(screen) {
    this.#shown = this.#usage.looked = true;
    this.#events = null;
    this.#signature = '';
    this.#parts = this.#make(screen);
    this.#draw();
    this.#askStation();
    // Times and lines go on between two messages.
    this.#timer = setInterval(() => document.hidden || this.#changed(), 500);
    this.#asker = setInterval(() => document.hidden || this.#askStation(), ASK);
  }

  hide() {
    this.#shown = this.#usage.looked = false;
    clearInterval(this.#timer);
    clearInterval(this.#asker);
    this.#parts = null;
  }

  // What the page is made of

  #make(screen) {
    const part = (tag, properties = {}) => make(tag, properties);
    const parts = {
      note: part('p', { class: 'note', role: 'status' }), body: part('div', { class: 'usage' }),
      lamp: part('i', { class: 'lamp' }), title: part('strong'), words: part('span'), operators: part('ul', { class: 'operators' }),
      confidence: part('b'), signals: part('ul', { class: 'signals' }), detectors: part('ul', { class: 'detectors' }), events: part('ol', { class: 'happened' }),
      rows: new Map(), sparks: new Map(), seen: new Map(),
    };
    parts.lamp.setAttribute('aria-hidden', 'true');
    parts.events.tabIndex = 0;
    parts.events.setAttribute('aria-label', 'What happened, newest first');
    for (const [id, name] of Object.entries(detectorNames)) parts.seen.set(id, this.#detector(parts.detectors, name));
    const section = (name, title, ...children) => make('section', { class: `panel ${name}` }, ...(title ? [make('h2', {}, title)] : []), ...children);
    parts.verdict = section('verdict', '', make('div', { class: 'who' }, parts.lamp, make('p', { role: 'status' }, parts.title, parts.words)),
      make('p', { class: 'sure' }, parts.confidence, make('small', {}, 'confidence')), parts.operators);
    parts.body.append(parts.verdict,
      section('minute', 'The last minute', make('div', { class: 'sparks' }, ...figures.map(figure => this.#spark(parts.sparks, figure)))),
      section('by-signal', 'Confidence by signal', parts.signals), section('by-detector', 'What the detectors see', parts.detectors),
      section('log', 'What happened', parts.events));
    screen.replaceChildren(make('div', { class: 'heading' }, make('h1', {}, 'Usage'), parts.note), parts.body);
    return parts;
  }

  #spark(sparks, { key, name, unit }) {
    const value = make('b'), most = make('small'), line = makeSVG('path', { class: 'line' });
    const drawing = makeSVG('svg', { class: 'spark', viewBox: `0 0 ${BOX.width} ${BOX.height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' }, line);
    sparks.set(key, { value, most, line });
    return make('figure', {}, make('figcaption', {}, name), make('p', {}, value, make('small', {}, ` ${unit}`)), drawing, most);
  }

  #detector(list, name) {
    const mode = make('b'), why = make('p', { class: 'note' });
    list.append(make('li', {}, make('p', {}, make('span', {}, name), mode), why));
    return { mode, why };
  }

  #signal(list, id) {
    const name = make('span', { class: 'name' }), words = make('small'), score = make('b'), bar = make('span', { class: 'bar', role: 'meter' });
    for (const [attribute, value] of Object.entries({ 'aria-valuemin': '0', 'aria-valuemax': '100' })) bar.setAttribute(attribute, value);
    const fill = makeSVG('rect', { height: '8', width: '0' });
    bar.append(makeSVG('svg', { viewBox: '0 0 100 8', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, fill));
    const element = make('li', {}, name, bar, score, words);
    element.dataset.signal = id;
    list.append(element);
    return { element, name, words, score, bar, fill };
  }

  // What it shows

  #changed() {
    if (!this.#shown || this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      if (this.#shown) this.#draw();
    });
  }

  #draw() {
    const { live, state, value, goneAt } = this.#usage, parts = this.#parts;
    const absence = 'No usage monitor answers. Start one on this machine with “waldo monitor”, or the station with --monitor.';
    setText(parts.note, live ? 'This machine’s usage monitor, live.' : state === 'unknown' ? 'Asking for the usage monitor…'
      : goneAt ? `The usage monitor does not answer since ${timeOf(goneAt)}. Asking again.` : absence);
    parts.note.dataset.level = state === 'gone' ? 'fair' : 'quiet';
    setHidden(parts.body, !value);
    if (!value) return;
    parts.body.classList.toggle('old', !live);
    this.#drawVerdict(value, live);
    this.#drawSignals(live ? value : null);
    this.#drawDetectors(live);
    this.#drawSparks(live);
    this.#drawEvents();
  }

  #drawVerdict(value, live) {
    const parts = this.#parts, active = live && value.teleoperation_active === true;
    parts.verdict.dataset.active = String(active);
    setText(parts.title, !live ? 'Not known' : active ? 'Teleoperated' : 'Not teleoperated');
    const seconds = Number(value.duration ?? 0) + (performance.now() - this.#usage.valueAt) / 1000;
    setText(parts.words, !live ? 'The monitor does not answer.' : active ? `Since ${timeOf(Date.parse(value.start_time))}, for ${elapsed(seconds)}` : 'Nobody moves this machine from elsewhere.');
    setText(parts.confidence, live && Number.isFinite(value.confidence) ? `${Math.round(value.confidence)} %` : '–');
    const operators = active && Array.isArray(value.operators) ? value.operators.filter(each => typeof each === 'string') : [];
    const said = operators.map(name => [operatorName(name), this.#drivers.has(name) ? `drives ${this.#drivers.get(name)}` : 'connected']);
    const signature = JSON.stringify(said);
    if (signature === this.#signature) return;
    this.#signature = signature;
    parts.operators.replaceChildren(...(said.length === 0 ? [make('li', { class: 'note' }, 'No operator')]
      : said.map(([name, role]) => make('li', {}, make('b', {}, name), make('small', {}, role)))));
  }

  #drawSignals(value) {
    const { rows, signals } = this.#parts, found = signalsOf(value);
    for (const [id, row] of rows) {
      if (found.some(signal => signal.id === id)) continue;
      row.element.remove();
      rows.delete(id);
    }
    for (const { id, name, score, words } of found) {
      if (!rows.has(id)) rows.set(id, this.#signal(signals, id));
      const row = rows.get(id), rounded = String(Math.round(score));
      setText(row.name, name);
      setText(row.words, value ? words : 'not known');
      setText(row.score, value ? rounded : '–');
      setAttribute(row.fill, 'width', rounded);
      setAttribute(row.bar, 'aria-valuenow', rounded);
      setAttribute(row.bar, 'aria-label', `${name}: what it adds to the confidence`);
    }
  }

  #drawDetectors(live) {
    for (const [id, { mode, why }] of this.#parts.seen) {
      const detector = live ? this.#detectors[id] : null, [level, words] = modes[detector?.mode] ?? ['quiet', '–'];
      setText(mode, words);
      mode.dataset.level = level;
      setText(why, typeof detector?.error === 'string' ? detector.error : '');
    }
  }

  #drawSparks(live) {
    const { samples } = this.#usage, now = performance.now(), newest = live ? samples.at(-1)?.values : null;
    for (const { key, digits, floor, unit } of figures) {
      const { value, most, line } = this.#parts.sparks.get(key), current = newest?.[key] ?? null;
      const { path } = sparkPath(samples, key, now, { ...BOX, floor });
      const all = samples.map(sample => sample.values[key]).filter(each => each !== null);
      setText(value, current === null ? '–' : current.toFixed(digits));
      const [least, greatest] = [Math.min(...all).toFixed(digits), Math.max(...all).toFixed(digits)];
      setText(most, all.length === 0 ? 'not measured' : least === greatest ? `always ${least} ${unit}` : `${least} to ${greatest} ${unit}`);
      setAttribute(line, 'd', path);
    }
  }

  #drawEvents() {
    const { events } = this.#usage;
    const what = events.map(({ at, words }) => `${at} ${words}`).join('\n');
    if (what === this.#events) return;
    this.#events = what;
    if (events.length === 0) return this.#parts.events.replaceChildren(make('li', { class: 'note' }, 'Nothing since this page was opened.'));
    this.#parts.events.replaceChildren(...events.map(({ at, level, words }) => {
      const said = make('span', {}, words);
      said.dataset.level = level;
      return make('li', {}, make('time', { dateTime: new Date(at).toISOString() }, timeOf(at)), said);
    }));
  }

  // What only the station answers

  async #askStation() {
    if (!this.#usage.live) return;
    try {
      const [status, { robots = [] }] = await Promise.all([ask('/api/usage'), ask('/api/robots')].map(async answer => (await answer).json()));
      this.#detectors = status.detectors && typeof status.detectors === 'object' ? status.detectors : {};
      this.#drivers = new Map(robots.filter(robot => robot.driver).map(robot => [robot.driver, robot.id]));
    } catch { /* The conversation tells when the monitor is gone; then this is asked again. */ }
    this.#changed();
  }
}
