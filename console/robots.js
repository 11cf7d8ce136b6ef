// The fleet: one card a robot.

import { make, setText } from './page.js';
import { stopReasons } from './protocol.js';
import { ask } from './link.js';

const EVERY = 1500;

export class RobotsScreen {
  title = 'Robots';
  #list = null;
  #note = null;
  #timer = 0;
  #cards = new Map();
  #beat = 0;

  show(screen) {
    this.#cards.clear();
    this.#list = make('ul', { class: 'fleet' });
    this.#note = make('p', { class: 'note', role: 'status' }, 'Asking the station…');
    screen.replaceChildren(make('h1', {}, 'Robots'), this.#note, this.#list);
    this.#beat = 0;
    this.#refresh();
    this.#timer = setInterval(() => this.#refresh(), EVERY);
  }

  hide() {
    clearInterval(this.#timer);
    this.#list = null;
  }

  async #refresh() {
    if (document.hidden) return;
    let robots;
    try {
      ({ robots = [] } = await (await ask('/api/robots')).json());
    } catch (error) {
      if (this.#list) setText(this.#note, `The station does not answer: ${error.message}. Asking again.`);
      return;
    }
    if (!this.#list) return;
    setText(this.#note, robots.length === 0 ? 'This station has no robot.' : robots.length === 1 ? 'One robot.' : `${robots.length} robots.`);
    for (const [id, card] of this.#cards) {
      if (robots.some(robot => robot.id === id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    for (const robot of robots) this.#fill(robot);
    this.#beat++;
  }

  #fill(robot) {
    let card = this.#cards.get(robot.id);
    if (!card) {
      const part = name => make('span', { class: name });
      card = { picture: make('img', { alt: '', width: 320, height: 180 }), name: part('name'), state: part('state'), facts: part('facts') };
      const link = make('a', { href: `#/robot/${encodeURIComponent(robot.id)}`, class: 'panel' }, card.picture,
        make('span', { class: 'words' }, card.name, card.state, card.facts));
      // A robot without a picture keeps the place of one.
      card.picture.onerror = () => card.picture.classList.add('missing');
      card.picture.onload = () => card.picture.classList.remove('missing');
      card.element = make('li', {}, link);
      this.#cards.set(robot.id, card);
      this.#list.append(card.element);
    }
    setText(card.name, robot.model ? `${robot.model} · ${robot.id}` : robot.id);
    const online = robot.online !== false;
    const stopped = robot.latched ? 'Emergency stop' : robot.stopped ? `Stopped: ${stopReasons[robot.stopped] ?? robot.stopped}` : null;
    setText(card.state, !online ? 'Not ready' : stopped ?? 'Ready');
    card.state.dataset.level = !online || robot.latched ? 'bad' : stopped ? 'fair' : 'good';
    const driver = typeof robot.driver === 'string' ? robot.driver : robot.driver?.name;
    const battery = typeof robot.battery === 'number' ? robot.battery : robot.battery?.level;
    setText(card.facts, [robot.mode ? `mode ${robot.mode}` : null, driver ? `${driver} drives` : 'Nobody drives', Number.isFinite(battery) ? `battery ${Math.round(battery * 100)} %` : null,
      robot.viewers ? `${robot.viewers} watching` : null].filter(Boolean).join(' · '));
    card.picture.src = `/api/robots/${encodeURIComponent(robot.id)}/snapshot.jpg?width=320&n=${this.#beat}`;
  }
}
