// A WHEP viewer for the tests, the same in Chromium and Firefox. Every wait here is bounded by `within`.
(() => {
  const within = (seconds, what, promise) => Promise.race([promise, new Promise((_, reject) =>
    setTimeout(() => reject(new Error(`after ${seconds} s still not: ${what}`)), seconds * 1000))]);
  const until = (target, event, condition, what, seconds = 15) => within(seconds, what, new Promise(resolve => {
    const check = () => condition() && resolve();
    target.addEventListener(event, check);
    check();
  }));
  const canvas = document.createElement('canvas');
  canvas.width = 1024; canvas.height = 32;
  const context = canvas.getContext('2d', { willReadFrequently: true });

  const viewer = window.viewer = {
    within, until, times: [], delays: [],
    // The candidates of answers to use, as a regular expression on their lines; null: all.
    takes: null,

    timeCode(video) {
      context.drawImage(video, 0, 0, 1024, 32, 0, 0, 1024, 32);
      const pixels = context.getImageData(0, 16, 1024, 1).data;
      let code = 0;
      for (let bit = 0; bit < 32; bit++) if (pixels[(bit * 32 + 16) * 4] > 128) code += 2 ** bit;
      return code;
    },

    watch(stream) {
      viewer.video?.remove();
      const video = viewer.video = document.createElement('video');
      video.muted = video.autoplay = video.playsInline = true;
      video.srcObject = stream;
      document.body.replaceChildren(video);
      const onFrame = () => {
        const now = performance.timeOrigin + performance.now();
        viewer.times.push(performance.now());
        // The callback may run before the element calls its first frame available: until then `drawImage` draws nothing (HTML 4.12.5.1.14).
        const drawable = video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
        if (drawable && video.videoWidth >= 1024) viewer.delays.push((now - viewer.timeCode(video) + 2 ** 32) % 2 ** 32);
        if (viewer.video === video) video.requestVideoFrameCallback(onFrame);
      };
      video.requestVideoFrameCallback(onFrame);
      video.play().catch(() => {});
    },

    prepare({ video = true, audio = false, audioFirst = false, channels = [] } = {}) {
      const pc = viewer.pc = new RTCPeerConnection();
      if (audioFirst) pc.addTransceiver('audio', { direction: 'recvonly' });
      if (video) pc.addTransceiver('video', { direction: 'recvonly' });
      if (audio) pc.addTransceiver('audio', { direction: 'recvonly' });
      viewer.channels = channels.map(({ label, ...options }) => pc.createDataChannel(label, options));
      viewer.channels.forEach(channel => { channel.binaryType = 'arraybuffer'; });
      pc.ontrack = event => { if (event.track.kind === 'video') viewer.watch(event.streams[0] ?? new MediaStream([event.track])); };
      return pc;
    },

    // Sends the current offer; `change` goes to the session's own address with PATCH.
    async exchange({ change = false, body } = {}) {
      const response = await fetch(change ? viewer.location : '/whep', { method: change ? 'PATCH' : 'POST',
        headers: { 'Content-Type': 'application/sdp' }, body: body ?? viewer.pc.localDescription.sdp });
      const text = await response.text();
      if (response.status !== (change ? 200 : 201)) throw new Error(`offer answered with ${response.status}: ${text}`);
      if (!change) viewer.location = response.headers.get('Location');
      viewer.answered = performance.now();
      const taken = viewer.takes ? text.split('\r\n').filter(line => !line.startsWith('a=candidate:') || viewer.takes.test(line)).join('\r\n') : text;
      await viewer.pc.setRemoteDescription({ type: 'answer', sdp: taken });
      return text;
    },

    async connect(options) {
      const pc = viewer.prepare(options);
      await pc.setLocalDescription();
      const answer = await viewer.exchange();
      await until(pc, 'connectionstatechange', () => pc.connectionState === 'connected', 'connected');
      await Promise.all(viewer.channels.map(channel => viewer.opened(channel)));
      return answer;
    },

    async renegotiate(options) {
      await viewer.pc.setLocalDescription(options?.iceRestart ? await viewer.pc.createOffer(options) : undefined);
      return viewer.exchange({ change: true });
    },

    // A peer without WHEP: descriptions go through the test, with all their candidates.
    start() {
      const pc = viewer.pc = new RTCPeerConnection();
      viewer.channels = [];
      pc.ontrack = event => {
        // Sound by itself: a muted picture mutes it, and its energy is then nought.
        if (event.track.kind === 'audio') {
          viewer.sound = new Audio();
          viewer.sound.srcObject = new MediaStream([event.track]);
          viewer.sound.play().catch(() => {});
        }
        if (event.track.kind === 'video') viewer.watch(event.streams[0] ?? new MediaStream([event.track]));
      };
      pc.ondatachannel = event => { event.channel.binaryType = 'arraybuffer'; viewer.channels.push(event.channel); };
    },
    async complete() {
      const { pc } = viewer;
      await Promise.race([until(pc, 'icegatheringstatechange', () => pc.iceGatheringState === 'complete', 'gathered'),
        new Promise(resolve => setTimeout(resolve, 3000))]);
      return pc.localDescription.sdp;
    },
    async offer(options) {
      await viewer.pc.setLocalDescription(await viewer.pc.createOffer(options));
      return viewer.complete();
    },
    async answer(sdp) {
      await viewer.pc.setRemoteDescription({ type: 'offer', sdp });
      await viewer.pc.setLocalDescription();
      return viewer.complete();
    },
    accept: sdp => viewer.pc.setRemoteDescription({ type: 'answer', sdp }),
    connected: () => until(viewer.pc, 'connectionstatechange', () => viewer.pc.connectionState === 'connected', 'connected'),

    // A drawing that moves, as a camera.
    drawing() {
      const drawn = document.createElement('canvas');
      drawn.width = 640; drawn.height = 360;
      const brush = drawn.getContext('2d');
      let step = 0;
      setInterval(() => { brush.fillStyle = `hsl(${++step * 7 % 360} 80% 50%)`; brush.fillRect(step * 13 % 600, step * 5 % 320, 60, 60); }, 33);
      brush.fillRect(0, 0, 640, 360);
      return drawn.captureStream(30);
    },
    // Sends a stream's tracks, the video in one codec.
    send(stream, codec) {
      for (const track of stream.getTracks()) {
        const used = viewer.pc.getTransceivers().find(one => one.receiver.track.kind === track.kind && !one.sender.track && one.mid !== null);
        if (used) { used.direction = used.direction === 'recvonly' ? 'sendrecv' : 'sendonly'; used.sender.replaceTrack(track); }
        const transceiver = used ?? viewer.pc.addTransceiver(track, { direction: 'sendonly', streams: [stream] });
        if (track.kind === 'video' && codec) transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('video').codecs
          .filter(({ mimeType }) => [`video/${codec}`, 'video/rtx'].includes(mimeType.toLowerCase())));
      }
    },
    async energy() {
      const report = [...(await viewer.pc.getStats()).values()].find(one => one.type === 'inbound-rtp' && one.kind === 'audio') ?? {};
      return { energy: report.totalAudioEnergy ?? 0, packets: report.packetsReceived ?? 0, concealed: report.concealedSamples, samples: report.totalSamplesReceived };
    },

    opened: channel => until(channel, 'open', () => channel.readyState === 'open', `channel ${channel.label} open`),
    closed: channel => until(channel, 'close', () => channel.readyState === 'closed', `channel ${channel.label} closed`),

    // Sends one message and answers the next that comes.
    echo(channel, message, seconds = 10) {
      return within(seconds, `echo on ${channel.label}`, new Promise(resolve => {
        channel.addEventListener('message', event => resolve(event.data), { once: true });
        channel.send(message);
      }));
    },

    async bytesComeBack(channel, size) {
      const sent = new Uint8Array(size);
      for (let at = 0; at < size; at++) sent[at] = (at * 31 + (at >> 8)) & 255;
      const got = await viewer.echo(channel, sent);
      if (!(got instanceof ArrayBuffer)) return `a ${typeof got} came back`;
      const bytes = new Uint8Array(got);
      if (bytes.length !== size) return `${bytes.length} bytes came back`;
      const wrong = sent.findIndex((byte, at) => bytes[at] !== byte);
      return wrong < 0 ? 'same' : `byte ${wrong} differs`;
    },

    // Frames shown, the longest gap since `from`, delays by the picture's time code, and the decoder's own figures.
    async videoFigures(from = 0) {
      const times = viewer.times.filter(time => time >= from);
      let gap = 0;
      for (let at = 1; at < times.length; at++) gap = Math.max(gap, times[at] - times[at - 1]);
      const stats = [...(await viewer.pc.getStats()).values()];
      const inbound = stats.find(report => report.type === 'inbound-rtp' && report.kind === 'video') ?? {};
      return { shown: times.length, gap, delays: viewer.delays.slice(-30), now: performance.now(),
        width: viewer.video?.videoWidth ?? 0, height: viewer.video?.videoHeight ?? 0,
        decoded: inbound.framesDecoded ?? 0, lost: inbound.packetsLost, plis: inbound.pliCount, nacks: inbound.nackCount,
        freezes: inbound.freezeCount, codec: stats.find(report => report.id === inbound.codecId)?.mimeType };
    },

    async transport() {
      const stats = await viewer.pc.getStats();
      const all = [...stats.values()];
      const transport = all.find(report => report.type === 'transport') ?? {};
      const pair = stats.get(transport.selectedCandidatePairId) ?? all.find(report => report.type === 'candidate-pair' && report.selected) ?? {};
      return { srtp: transport.srtpCipher, dtls: transport.tlsVersion, localUfrag: transport.iceLocalUsernameFragment, received: pair.packetsReceived,
        local: stats.get(pair.localCandidateId), remote: stats.get(pair.remoteCandidateId) };
    },
  };
})();
