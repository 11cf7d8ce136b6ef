// `window.waldo`: what the page knows, for people at the developer tools and for tests. Described in README.md.

export function expose({ link, control, settings, drive, gamepad, media, usage }) {
  const errors = [];
  const note = error => errors.length < 50 && errors.push(String(error?.stack ?? error));
  addEventListener('error', event => note(event.error ?? event.message));
  addEventListener('unhandledrejection', event => note(event.reason));
  document.addEventListener('securitypolicyviolation', event => note(`CSP: ${event.violatedDirective} ${event.blockedURI}`));
  const events = [];
  link.addEventListener('message', ({ detail }) => {
    if (detail.type === 'telemetry' || detail.type === 'pong') return;
    events.push({ at: performance.now(), ...detail });
    if (events.length > 200) events.shift();
  });
  link.addEventListener('state', () => events.push({ at: performance.now(), type: 'link', state: link.state }));

  window.waldo = Object.freeze({
    get state() { return link.state; },
    get problem() { return link.problem?.message ?? null; },
    get robotID() { return link.robotID; },
    get robot() { return link.robot; },
    get profile() { return link.profile; },
    get session() { return link.session; },
    get rights() { return link.rights; },
    get telemetry() { return link.telemetry; },
    get telemetryAge() { return link.telemetryAt ? performance.now() - link.telemetryAt : null; },
    get lease() { return link.lease; },
    get frames() { return link.frames; },
    get firstFrameMs() { return link.firstFrameMs; },
    get seen() { return link.seen; },
    get connects() { return link.connects; },
    get link() { return { ...drive.figures(), verdict: drive.verdict }; },
    get control() {
      const { attended, drives, asked, hold, source, aim, sent, zeros, dropped, seq, epoch, lastMessage, stop } = control;
      return { attended, drives, asked, hold, source, aim, sent, zeros, dropped, seq, epoch, last: lastMessage, stop };
    },
    get pad() { return gamepad.state; },
    get talking() { return media.talking; },
    get usage() {
      const { state, value, connects, samples, events } = usage;
      return { state, value, connects, samples: samples.length, events: [...events] };
    },
    get settings() { return structuredClone(settings.value); },
    get events() { return [...events]; },
    get errors() { return [...errors]; },
  });
}
