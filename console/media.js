// Sound both ways, photos, full screen.

import { $, setAttribute, setHidden, toast } from './page.js';

export class Media {
  talking = false;
  #link;
  #settings;
  #track = null;
  #wanted = false;

  constructor(link, settings) {
    this.#link = link;
    this.#settings = settings;
    link.addEventListener('media', () => this.#listen());
    link.addEventListener('message', ({ detail }) => {
      if (detail.type === 'welcome' || detail.type === 'lease') this.show();
    });
    link.addEventListener('state', () => {
      if (!link.live) this.talk(false);
      this.show();
    });
    settings.addEventListener('change', () => this.#listen());
    const button = $('talk');
    button.addEventListener('pointerdown', event => event.button === 0 && this.talk(true));
    for (const end of ['pointerup', 'pointercancel', 'pointerleave', 'blur']) button.addEventListener(end, () => this.talk(false));
    button.addEventListener('keydown', event => {
      if (event.code !== 'Space' && event.code !== 'Enter') return;
      event.preventDefault();
      if (!event.repeat) this.talk(true);
    });
    button.addEventListener('keyup', event => (event.code === 'Space' || event.code === 'Enter') && this.talk(false));
    button.addEventListener('contextmenu', event => event.preventDefault());
    $('listen').onclick = () => this.toggleListen();
    $('photo').onclick = () => this.photo();
    $('full').onclick = () => this.fullScreen();
    setHidden($('full'), !document.fullscreenEnabled);
    if (link.audio) this.#listen();
  }

  toggleListen() {
    this.#settings.update(draft => { draft.listen = !draft.listen; });
  }

  #listen() {
    const sound = $('sound');
    sound.muted = !this.#settings.value.listen;
    if (sound.srcObject !== this.#link.audio) sound.srcObject = this.#link.audio;
    // Also muted it plays: what nobody takes out of the jitter buffer would be heard late. Before the first click or key browsers may forbid it.
    sound.play().catch(() => {
      for (const event of ['pointerdown', 'keydown']) addEventListener(event, () => sound.play().catch(() => {}), { once: true });
    });
    this.show();
  }

  show() {
    const { robot, live, lease } = this.#link, { listen } = this.#settings.value;
    setHidden($('listen'), !robot?.microphone);
    setHidden($('talk'), !robot?.speaker);
    // The robot lets only the voice of who drives be heard.
    $('talk').disabled = !live || !lease?.yours;
    $('talk').title = live && !lease?.yours ? 'Only who drives is heard' : 'Hold to talk (C)';
    setAttribute($('listen'), 'aria-pressed', String(listen));
    setAttribute($('listen').querySelector('use'), 'href', listen ? '#i-sound' : '#i-mute');
    setAttribute($('talk'), 'aria-pressed', String(this.talking));
  }

  /** Push-to-talk: the microphone is asked for when it is first used. */
  async talk(on) {
    this.#wanted = on;
    const sender = this.#link.microphoneSender;
    if (!on) {
      this.talking = false;
      this.show();
      if (this.#track) this.#track.enabled = false;
      sender?.replaceTrack(null).catch(() => {});
      return;
    }
    if (!this.#link.live || !this.#link.robot?.speaker || !sender) return;
    if (!this.#link.lease?.yours) return toast('Only who drives is heard: press Drive first.', 'fair');
    if (!navigator.mediaDevices) return toast('The browser gives the microphone only to pages from localhost or over https.', 'bad');
    try {
      if (this.#track?.readyState !== 'live') {
        const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true } });
        [this.#track] = stream.getAudioTracks();
      }
      // The question may have been answered after the button was let go.
      if (!this.#wanted) {
        this.#track.enabled = false;
        return;
      }
      this.#track.enabled = true;
      await sender.replaceTrack(this.#track);
      this.talking = this.#wanted;
      this.show();
    } catch (error) {
      const why = { NotAllowedError: 'The browser may not use the microphone: allow it beside the address.', NotFoundError: 'There is no microphone.' };
      toast(why[error.name] ?? `The microphone does not work: ${error.message}`, 'bad');
    }
  }

  photo() {
    const picture = $('feed').hidden ? $('video') : $('feed');
    const [width, height] = [picture.videoWidth ?? picture.naturalWidth, picture.videoHeight ?? picture.naturalHeight];
    if (!width) return toast('There is no picture to keep yet.', 'fair');
    const canvas = document.createElement('canvas');
    Object.assign(canvas, { width, height });
    canvas.getContext('2d').drawImage(picture, 0, 0);
    canvas.toBlob(blob => {
      const address = URL.createObjectURL(blob);
      const name = `waldo-${this.#link.robotID}-${new Date().toISOString().slice(0, 19).replaceAll(':', '-')}.jpg`;
      Object.assign(document.createElement('a'), { href: address, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(address), 10_000);
      toast(`Photo kept as ${name}`);
    }, 'image/jpeg', 0.95);
  }

  async fullScreen() {
    try {
      if (document.fullscreenElement) return await document.exitFullscreen();
      await document.documentElement.requestFullscreen({ navigationUI: 'hide' });
      // Where the browser can, Esc stays what it is everywhere here: STOP.
      await navigator.keyboard?.lock?.(['Escape']);
    } catch (error) {
      toast(`No full screen: ${error.message}`, 'fair');
    }
  }
}
