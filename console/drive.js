// The drive screen: the cockpit above the picture.

import { $, icon, make, setAttribute, setHidden, setText, toast } from './page.js';
import { cutWords, fanPath, linkVerdict, movePath, situation, turnPath } from './hud.js';
import { refusal } from './protocol.js';
import { presets, stepSpeed } from './presets.js';
import { ask, StationError } from './link.js';

const figures = name => document.querySelector(`#link-figures [data-figure="${name}"] dd`);
const dash = '–';

export class DriveScreen {
  #link;
  #control;
  #settings;
  #seat;
  #pad;
  #pictures = null;
  #hintTimer = 0;

  constructor({ link, control, settings, seat, gamepad }) {
    Object.assign(this, { verdict: null, touch: matchMedia('(pointer: coarse)').matches });
    [this.#link, this.#control, this.#settings, this.#seat, this.#pad] = [link, control, settings, seat, gamepad];
    if (!this.touch) addEventListener('touchstart', () => this.#useTouch(), { once: true, passive: true });
    else this.#useTouch();

    link.addEventListener('message', ({ detail }) => this.#hear(detail));
    link.addEventListener('state', () => this.#linkChanged());
    link.addEventListener('media', () => this.#robotChanged());
    link.addEventListener('frame', () => link.live && setHidden($('still'), true));
    control.addEventListener('change', () => this.#showMotion());
    control.addEventListener('letgo', ({ detail }) => link.lease?.yours && link.live && this.hint(`Let go: ${detail}`));
    settings.addEventListener('change', () => this.#showSettings());
    setInterval(() => this.#showFigures(), 250);

    $('link-toggle').onclick = () => settings.update(draft => { draft.details = !draft.details; });
    $('preset').onchange = event => {
      settings.update(draft => { draft.feel = { ...presets[event.target.value] }; });
      event.target.blur();
    };
    $('mode').onchange = event => this.#chooseMode(event.target);
    $('speed-limit').oninput = event => settings.update(draft => { draft.feel.speed = Number(event.target.value); });
    $('speed-limit').onchange = event => event.target.blur();
    $('camera').onclick = () => this.#nextCamera();
    this.#showSettings();
    this.#linkChanged();
  }

  /** A short word at the bottom of the picture, for two seconds. */
  hint(words) {
    setText($('hint'), words);
    $('hint').classList.add('shown');
    clearTimeout(this.#hintTimer);
    this.#hintTimer = setTimeout(() => $('hint').classList.remove('shown'), 2000);
  }

  changeSpeed(notches) {
    const speed = stepSpeed(this.#settings.value.feel.speed, notches);
    this.#settings.update(draft => { draft.feel.speed = speed; });
    this.hint(`Speed limit ${Math.round(speed * 100)} %`);
  }

  #useTouch() {
    this.touch = true;
    document.documentElement.classList.add('touch');
    setHidden($('pads'), false);
  }

  #hear(message) {
    switch (message.type) {
      case 'welcome': {
        this.#robotChanged();
        setAttribute(document.documentElement, 'data-known', '');
        return undefined;
      }
      case 'telemetry': return this.#showTelemetry(message);
      case 'lease': return this.#showSituation();
      case 'error': return toast(`The robot did not understand this page: ${message.message}`, 'bad');
    }
  }

  #linkChanged() {
    const { state, problem } = this.#link;
    setAttribute(document.documentElement, 'data-link', state);
    const veil = $('veil');
    const say = (title, words, spins = true) => {
      setText(veil.querySelector('h1'), title);
      setText(veil.querySelector('p'), words);
      setHidden(veil.querySelector('.spin'), !spins);
      setHidden(veil, false);
    };
    if (state === 'lost') {
      $('toasts').replaceChildren();
      this.#keepPicture();
    }
    $('mode').disabled = !this.#control.drives;
    if (state === 'lost') say('Link lost', `${this.#seat.lostControl ? 'The robot has stopped by itself. ' : ''}Connecting again…`);
    else if (state === 'refused') say(...this.#refusal(problem), problem?.status !== 401);
    else if (state === 'connecting' && problem) say('Connecting…', `No session yet: ${problem.message}. Trying again by itself.`);
    else setHidden(veil, true);
    this.#showPictures(state === 'pictures' || (state === 'live' && !this.#link.hasVideo));
    if (state === 'pictures') toast('WebRTC does not get through to this station. Pictures come by HTTP; the robot cannot be driven, but STOP works.', 'bad', 10_000);
    this.#robotChanged();
    this.#showSituation();
    this.#showFigures();
  }

  /** The last picture of a lost link stays, grey: nobody takes it for a live one. */
  #keepPicture() {
    const still = $('still'), video = $('video');
    if (!video.videoWidth) return;
    Object.assign(still, { width: video.videoWidth, height: video.videoHeight });
    still.getContext('2d').drawImage(video, 0, 0);
    setHidden(still, false);
  }

  #refusal(problem) {
    const why = /[.!?…]$/.test(problem?.message ?? '.') ? problem?.message ?? '' : `${problem.message}.`;
    switch (problem?.status) {
      case 401: return ['Not let in', 'This station asks for its token. Open the address that it printed when it started: it ends in ?token=…'];
      case 403: return ['Not let in', why];
      case 404: return ['Not there', `${why} Choose a robot on the Robots screen.`];
      case 422: return ['No common codec', why];
      case 503: return ['The station is full', `${why} Trying again by itself.`];
      default: return ['The station refuses', `${why} Trying again by itself.`];
    }
  }

  // The fallback: pictures and state by HTTP

  #showPictures(on) {
    const feed = $('feed'), robot = this.#link.robotID;
    setHidden(feed, !on);
    setHidden($('video'), on);
    if (on === (this.#pictures !== null)) return;
    if (!on) {
      clearInterval(this.#pictures);
      this.#pictures = null;
      feed.removeAttribute('src');
      return;
    }
    const base = robot === null ? '' : `/api/robots/${encodeURIComponent(robot)}`;
    feed.src = `${base}/video_feed`;
    this.#pictures = setInterval(() => this.#askState(base), 500);
  }

  async #askState(base) {
    if (!base || this.#link.live) return;
    try {
      const telemetry = await (await ask(`${base}/state`, { limit: 1500 })).json();
      this.#control.told(telemetry);
      setAttribute(document.documentElement, 'data-known', '');
      this.#showVitals(telemetry);
    } catch (error) {
      if (!(error instanceof StationError)) this.hint('The station does not answer');
    }
  }

  // The robot

  #robotChanged() {
    const { robot, profile, robotID } = this.#link;
    setText($('robot-name'), robot ? robot.model ?? robot.id : robotID ?? '');
    document.title = robot ? `${robot.model ?? robot.id} · Waldo` : 'Waldo';
    setHidden($('camera'), (robot?.cameras?.length ?? 0) < 2);
    if (robot) document.documentElement.toggleAttribute('data-recorded', robot.drive === 'recorded');
    const modes = profile?.modes ?? [], select = $('mode');
    const names = modes.map(mode => mode.name).join();
    if (select.dataset.names !== names && modes.length) {
      select.replaceChildren(...modes.map(mode => make('option', { value: mode.name }, mode.name[0].toUpperCase() + mode.name.slice(1))));
      select.dataset.names = names;
      select.value = profile.mode;
    }
    const actions = robot?.actions ?? [], group = $('actions');
    const known = JSON.stringify(actions);
    if (group.dataset.known !== known) {
      group.dataset.known = known;
      setHidden(group, actions.length === 0);
      group.replaceChildren(...actions.flatMap(action => this.#actionButtons(action)));
    }
  }

  #actionButtons(action) {
    if (action.name === 'light' && !action.choices?.length) return [this.#colourField(action)];
    const choices = action.choices?.length ? action.choices : [''];
    if (choices.length > 1) {
      const select = make('select', { title: action.title, 'aria-label': action.title },
        make('option', { value: '', disabled: true, selected: true }, action.title), ...choices.map(choice => make('option', { value: choice }, choice)));
      select.onchange = () => {
        this.#act(action, select.value);
        select.selectedIndex = 0;
        select.blur();
      };
      return [select];
    }
    return [make('button', { type: 'button', onclick: () => this.#act(action, choices[0]) }, icon('bolt'), make('span', {}, action.title ?? action.name))];
  }

  #colourField(action) {
    const field = make('input', { type: 'color', id: 'light-colour', value: '#20a0ff' });
    field.onchange = () => this.#act(action, field.value);
    return make('label', { class: 'colour' }, field, make('span', {}, action.title));
  }

  async #act(action, argument) {
    const { lease } = this.#link;
    if (!lease?.yours) return toast(`${action.title}: press Drive first.`, 'fair');
    try {
      await this.#link.request({ type: 'action', epoch: lease.epoch, name: action.name, argument }, 6000);
      this.hint(`${action.title} ${argument}`.trim());
    } catch (error) {
      toast(`${action.title}: ${refusal(error)}.`, 'bad');
    }
  }

  async #chooseMode(select) {
    const wanted = select.value, { lease, telemetry } = this.#link;
    select.blur();
    try {
      if (!lease?.yours) throw new Error('press Drive first');
      await this.#link.request({ type: 'mode', epoch: lease.epoch, name: wanted });
    } catch (error) {
      select.value = telemetry?.safety?.mode ?? wanted;
      toast(`Mode ${wanted}: ${refusal(error)}.`, 'bad');
    }
  }

  #nextCamera() {
    const names = this.#link.robot?.cameras?.map(camera => camera.name) ?? [];
    const next = names[(names.indexOf(this.#link.camera ?? names[0]) + 1) % names.length];
    this.#seat.keepThroughReconnect();
    location.hash = `#/robot/${encodeURIComponent(this.#link.robotID)}?camera=${encodeURIComponent(next)}`;
    this.hint(`Camera: ${next}`);
  }

  // What is shown

  #showTelemetry(telemetry) {
    this.#showVitals(telemetry);
    this.#showSituation();
    this.#showMotion();
    const colour = $('light-colour');
    if (colour && /^#[0-9a-f]{6}$/i.test(telemetry.light) && colour.value !== telemetry.light && document.activeElement !== colour) {
      colour.value = telemetry.light;
    }
    const { mode } = telemetry.safety ?? {};
    if (mode && $('mode').value !== mode && document.activeElement !== $('mode')) $('mode').value = mode;
    $('mode').disabled = !this.#control.drives;
  }

  #showVitals({ battery, temperature, viewers, recording }) {
    const level = battery?.level;
    setHidden($('battery'), !Number.isFinite(level));
    if (Number.isFinite(level)) {
      setText($('battery').querySelector('b'), `${Math.round(level * 100)} %`);
      setAttribute($('battery'), 'data-level', level < 0.1 ? 'bad' : level < 0.25 ? 'fair' : 'quiet');
    }
    setHidden($('temperature'), !Number.isFinite(temperature));
    if (Number.isFinite(temperature)) {
      setText($('temperature').querySelector('b'), `${Math.round(temperature)} °C`);
      setAttribute($('temperature'), 'data-level', temperature > 80 ? 'bad' : temperature > 65 ? 'fair' : 'quiet');
    }
    setHidden($('viewers'), !(viewers > 1));
    setText($('viewers').querySelector('b'), String(viewers ?? ''));
    setHidden($('recording'), recording !== true);
  }

  #showSituation() {
    const { state, telemetry, lease, session } = this.#link;
    const seen = lease && { ...lease, request: lease.request && { ...lease.request, mine: lease.request.session === session } };
    const { level, title, words } = situation({ state, telemetry, lease: seen, control: this.#control,
      mayDrive: this.#link.rights.includes('drive'), recorded: this.#link.robot?.drive === 'recorded',
      stickWaitsFor: this.#pad.state && this.#pad.waitsFor, touch: this.touch });
    const element = $('situation');
    setAttribute(element, 'data-level', level);
    setText(element.querySelector('strong'), title);
    setText(element.querySelector('p span'), words);
  }

  #showMotion() {
    const { robot, telemetry, live } = this.#link;
    const limits = robot?.limits, drives = this.#control.drives;
    const share = velocity => (limits && velocity ? {
      along: velocity.vx / (limits.vx || 1), aside: velocity.vy / (limits.vy || limits.vx || 1), turn: velocity.vyaw / (limits.vyaw || 1),
    } : { along: 0, aside: 0, turn: 0 });
    const asked = share(drives ? this.#control.asked : telemetry?.command?.asked);
    const applied = share(live ? telemetry?.command?.refused ? telemetry.commanded : telemetry?.command?.applied ?? telemetry?.commanded : null);
    setAttribute($('move-asked'), 'd', movePath(asked.along, asked.aside));
    setAttribute($('turn-asked'), 'd', turnPath(asked.turn));
    setAttribute($('move-applied'), 'd', movePath(applied.along, applied.aside));
    setAttribute($('turn-applied'), 'd', turnPath(applied.turn));
    setAttribute($('fan'), 'd', live ? fanPath(robot?.ranges, telemetry?.ranges) : '');
    const velocity = (live && telemetry?.velocity) || { vx: 0, vy: 0, vyaw: 0 };
    setText($('speed'), Math.hypot(velocity.vx, velocity.vy).toFixed(2));
    setText($('turning').firstChild, String(Math.round(velocity.vyaw * 180 / Math.PI) + 0));
    const cut = live && (drives ? this.#control.hold : telemetry?.safety?.state === 'moving') ? cutWords(telemetry?.command) : '';
    setText($('cut'), cut || '\u00a0');
    setAttribute($('cut'), 'data-level', cut && telemetry?.command?.refused ? 'bad' : 'fair');
  }

  #showSettings() {
    const { feel, preset, details } = this.#settings.value;
    $('preset').querySelector('[value="custom"]').hidden = preset !== 'custom';
    $('preset').value = preset;
    $('speed-limit').value = feel.speed;
    setText($('speed-limit-value'), `${Math.round(feel.speed * 100)} %`);
    setAttribute($('link-toggle'), 'aria-expanded', String(details));
    $('link').classList.toggle('open', details);
    if (this.#link.operator !== this.#settings.value.name) this.#link.setOperator(this.#settings.value.name);
  }

  /** The link's figures as numbers: for the screen, and for whoever watches the page. */
  figures() {
    const { state, stats, telemetry, frames, frameAt, live } = this.#link;
    const command = live ? telemetry?.command : null;
    return {
      state, frames, ...stats,
      sinceFrame: frames > 0 ? performance.now() - frameAt : 0,
      viewAge: command?.view_age ?? null, queueAge: command?.queue_age ?? null, delay: command?.delay ?? null,
    };
  }

  #showFigures() {
    if (document.hidden) return;
    const now = this.figures();
    const stopped = this.#link.telemetry?.safety?.state === 'stopped';
    // A hidden element presents nothing: what is shown by HTTP is not judged by its frames.
    if (!$('feed').hidden) now.sinceFrame = 0, now.frames = 1;
    this.verdict = linkVerdict(now, this.#link.profile, stopped);
    setText($('link-words'), this.verdict.words);
    setAttribute($('link-words'), 'data-level', this.verdict.level);
    const show = (name, value, format = each => String(Math.round(each))) => setText(figures(name), Number.isFinite(value) ? format(value) : dash);
    setText($('f-delay'), Number.isFinite(now.delay) ? String(Math.round(now.delay)) : dash);
    const frozen = now.sinceFrame > 500;
    show('age', frozen ? now.sinceFrame : now.viewAge, each => `${Math.round(each)} ms`);
    show('trip', now.rtt, each => `${each < 10 ? each.toFixed(1) : Math.round(each)} ms`);
    show('fps', frozen ? 0 : now.fps);
    show('rate', now.bitrate, each => (each / 1e6).toFixed(1));
    show('loss', now.loss, each => `${(each * 100).toFixed(each < 0.0995 ? 1 : 0)} %`);
    setText(figures('codec'), now.codec ? `${now.codec} ${now.height || ''}${now.height ? 'p' : ''}` : dash);
    this.#showSituation();
    this.#seat.show();
  }
}
