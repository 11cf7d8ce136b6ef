// Who drives: the lease, asked for, confirmed, granted, released.

import { $, setHidden, setText, toast } from './page.js';
import { refusal } from './protocol.js';

export class Seat {
  #link;
  #control;
  #asking = null;
  #requestEnds = 0;
  #requestOf = null;
  #acquireNext = false;
  #hadLease = false;

  constructor(link, control) {
    this.#link = link;
    this.#control = control;
    $('lease-button').onclick = () => this.press();
    $('take').onclick = () => this.#act('take');
    $('grant').onclick = () => this.#answer('grant');
    $('refuse').onclick = () => this.#answer('refuse');
    link.addEventListener('message', ({ detail }) => this.#hear(detail));
    link.addEventListener('state', () => this.#linkChanged());
  }

  /** Whether this page has asked the driver for control and is waiting. */
  get asks() {
    const request = this.#link.lease?.request;
    return this.#asking !== null || (request != null && request.session === this.#link.session);
  }

  /** A camera is changed by a new session: what drives now drives on after it. */
  keepThroughReconnect() { this.#acquireNext = this.#link.lease?.yours === true; }

  press() {
    const { lease } = this.#link;
    if (!this.#link.live) return undefined;
    if (lease?.yours) return this.#act(lease.state === 'suspended' ? 'confirm' : 'release');
    if (this.asks) return undefined;
    return this.#act('acquire');
  }

  async #act(action) {
    const { lease } = this.#link;
    // Nothing moves on what was pressed before.
    if (action === 'release') this.#control.letGo('control was released');
    const asksSomebody = action === 'acquire' && lease?.holder && !lease.yours;
    if (asksSomebody) this.#asking = lease.holder.name ?? 'the driver';
    this.show();
    try {
      await this.#link.request({ type: 'lease', action }, asksSomebody ? 12_000 : 3000);
    } catch (error) {
      this.#asking = null;
      const what = { acquire: 'No control', confirm: 'Not confirmed', release: 'Not released', take: 'Not taken over', grant: 'Not granted', refuse: 'Not refused' };
      toast(`${what[action]}: ${refusal(error)}.`, 'bad');
    }
    this.show();
  }

  #answer(action) {
    setHidden($('request'), true);
    this.#act(action);
  }

  #hear(message) {
    if (message.type === 'welcome') {
      if (this.#acquireNext) this.#act('acquire');
      this.#acquireNext = false;
    }
    if (message.type !== 'lease' && message.type !== 'telemetry') return;
    const { lease, session } = this.#link;
    if (!lease) return;
    if (lease.yours && !this.#hadLease) {
      this.#asking = null;
      document.activeElement?.blur?.();
    }
    const held = lease.yours === true;
    if (this.#hadLease && !held && this.#link.live) {
      toast(lease.holder ? `${lease.holder.name ?? 'Somebody else'} has taken control.` : 'You are not in control any more.', 'fair');
    }
    this.#hadLease = held;
    const { request } = lease;
    // An answered request goes away; without a new holder it was refused.
    if (this.#requestOf === session && !request && !held && message.type === 'lease' && this.#asking !== null) {
      toast(`${this.#asking} did not give up control.`, 'fair');
      this.#asking = null;
    }
    if ((request?.session ?? null) !== this.#requestOf) {
      this.#requestOf = request?.session ?? null;
      this.#requestEnds = performance.now() + (request?.seconds ?? 10) * 1000;
    }
    this.show();
  }

  #linkChanged() {
    if (this.#link.state === 'lost' && this.#hadLease) this.lostControl = true;
    if (this.#link.live && this.lostControl && !this.#acquireNext) {
      this.lostControl = false;
      toast('The link is back. Control was given up when it broke: press Drive to go on.', 'fair', 8000);
    }
    if (!this.#link.live) {
      this.#hadLease = false;
      this.#asking = this.#requestOf = null;
    }
    this.show();
  }

  /** The link broke while this page was in control. */
  lostControl = false;

  show() {
    const { lease, live, rights } = this.#link;
    const button = $('lease-button'), mine = lease?.yours === true;
    const left = Math.max(Math.ceil((this.#requestEnds - performance.now()) / 1000), 0);
    const suspended = lease?.state === 'suspended';
    let words = 'Drive';
    if (mine) words = suspended ? 'Confirm' : 'Release';
    else if (this.asks) words = this.#requestOf ? `Asked… ${left} s` : 'Asked…';
    else if (lease?.holder) words = 'Request control';
    setText(button, words);
    const mayDrive = rights.includes('drive');
    button.disabled = !live || !lease || !mayDrive || (this.asks && !mine);
    button.title = live && !mayDrive ? 'You may watch here, but not drive' : '';
    button.classList.toggle('primary', !mine || suspended);
    setHidden($('take'), !(live && lease?.holder && !mine && rights.includes('lease.take')));
    setText($('driver'), !live || !lease ? 'No session' : mine ? 'You drive' : lease.holder ? `${lease.holder.name || 'Somebody'} drives` : 'Nobody drives');

    const request = mine ? lease.request : null;
    setHidden($('request'), !request);
    setText($('request-words'), request ? `${request.name || 'Somebody'} asks for control.` : '');
    setText($('request-left'), `${left} s`);
  }
}
