/// The page of `waldo bench source`: the picture, and what the browser measures of it.
let sourcePage = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Waldo source</title>
    <link rel="icon" href="data:,">
    <style>
    :root { color-scheme: dark; --line: #2b333b; --dim: #93a1ad; --text: #e8eef3; --good: #4cc38a; --bad: #ff6b6b; }
    * { box-sizing: border-box; }
    body { margin: 0; min-height: 100vh; display: grid; grid-template-rows: auto 1fr auto; background: #0e1216; color: var(--text);
           font: 15px/1.4 system-ui, sans-serif; }
    header { display: flex; gap: 12px; align-items: center; padding: 10px 16px; border-bottom: 1px solid var(--line); }
    h1 { font-size: 16px; font-weight: 600; margin: 0; flex: 1; }
    #state { padding: 2px 10px; border-radius: 99px; border: 1px solid currentColor; color: var(--dim); font-size: 13px; }
    #state.connected { color: var(--good); } #state.failed, #state.disconnected { color: var(--bad); }
    button { font: inherit; color: inherit; background: #1b232b; border: 1px solid var(--line); border-radius: 8px; padding: 6px 14px; cursor: pointer; }
    main { display: grid; place-items: center; padding: 12px; min-height: 0; }
    main { grid-template-columns: minmax(0, 1fr); }
    video { width: min(100%, calc(76vh * var(--ratio, 1.778))); aspect-ratio: var(--ratio, 1.778); background: #000; border-radius: 8px; }
    footer { display: flex; flex-wrap: wrap; gap: 1px; background: var(--line); border-top: 1px solid var(--line); }
    footer div { flex: 1 1 110px; background: #0e1216; padding: 10px 16px; white-space: nowrap; }
    dt { color: var(--dim); font-size: 12px; } dd { margin: 0; font-size: 20px; font-variant-numeric: tabular-nums; }
    #error { color: var(--bad); padding: 0 16px; margin: 8px 0 0; } #error:empty { display: none; }
    </style>
    </head>
    <body>
    <header><h1>Waldo source</h1><span id="state">new</span><button id="again">Reconnect</button></header>
    <main><video id="video" autoplay muted playsinline></video><p id="error" role="alert"></p></main>
    <footer>
    <div><dt>Glass to glass</dt><dd id="delay">–</dd></div><div><dt>Frames a second</dt><dd id="fps">–</dd></div>
    <div><dt>Bitrate</dt><dd id="bitrate">–</dd></div><div><dt>Lost packets</dt><dd id="lost">–</dd></div>
    <div><dt>Data round trip</dt><dd id="rtt">–</dd></div>
    </footer>
    <script>
    const $ = id => document.getElementById(id);
    const canvas = document.createElement('canvas');
    const context = canvas.getContext('2d', { willReadFrequently: true });
    let pc, location_, channel, last, delays = [], rounds = [];
    window.waldo = { delays: [], rounds: [], get pc() { return pc; }, get location() { return location_; } };

    // 32 squares of 32 pixels: Unix milliseconds modulo 2^32, least significant bit first.
    function readTimeCode(video) {
      canvas.width = 1024; canvas.height = 32;
      context.drawImage(video, 0, 0, 1024, 32, 0, 0, 1024, 32);
      const pixels = context.getImageData(0, 16, 1024, 1).data;
      let code = 0;
      for (let bit = 0; bit < 32; bit++) if (pixels[(bit * 32 + 16) * 4] > 128) code += 2 ** bit;
      return code;
    }
    function onFrame() {
      const video = $('video');
      // Before the element calls a frame available, `drawImage` draws nothing.
      if (video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA && video.videoWidth >= 1024) {
        const now = performance.timeOrigin + performance.now();
        const delay = now % 2 ** 32 - readTimeCode(video);
        if (delay > -50 && delay < 10000) { delays.push(delay); window.waldo.delays.push(delay); }
      }
      video.requestVideoFrameCallback?.(onFrame);
    }
    const median = values => values.sort((a, b) => a - b)[values.length >> 1];
    async function connect() {
      pc?.close(); $('error').textContent = ''; delays = []; rounds = []; last = undefined;
      pc = new RTCPeerConnection();
      const wanted = pc.addTransceiver('video', { direction: 'recvonly' });
      channel = pc.createDataChannel('echo', { ordered: false, maxRetransmits: 0 });
      channel.onmessage = event => {
        const round = performance.now() - Number(event.data);
        rounds.push(round); window.waldo.rounds.push(round);
      };
      channel.onopen = () => { const mine = channel; const timer = setInterval(() =>
        mine.readyState === 'open' ? mine.send(String(performance.now())) : clearInterval(timer), 50); };
      pc.ontrack = event => {
        event.receiver.jitterBufferTarget = 0;
        $('video').srcObject = event.streams[0] ?? new MediaStream([event.track]);
      };
      pc.onconnectionstatechange = () => { $('state').textContent = $('state').className = pc.connectionState; };
      try {
        await pc.setLocalDescription();
        const response = await fetch('/whep', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
        const text = await response.text();
        if (response.status !== 201) throw new Error(text);
        location_ = response.headers.get('Location');
        window.waldo.answered = performance.now();
        await pc.setRemoteDescription({ type: 'answer', sdp: text });
        if (wanted.currentDirection !== 'recvonly') throw new Error('this browser does not play what the source sends: start it with another --codec');
      } catch (error) { $('error').textContent = `Could not connect: ${error.message}`; }
    }
    setInterval(async () => {
      if (!pc) return;
      for (const report of (await pc.getStats()).values()) {
        if (report.type !== 'inbound-rtp' || report.kind !== 'video') continue;
        if (last) {
          const seconds = (report.timestamp - last.timestamp) / 1000;
          $('bitrate').textContent = `${((report.bytesReceived - last.bytesReceived) * 8 / seconds / 1e6).toFixed(2)} Mbit/s`;
          $('fps').textContent = ((report.framesDecoded - last.framesDecoded) / seconds).toFixed(0);
        }
        $('lost').textContent = report.packetsLost; last = report;
      }
      if (delays.length) { $('delay').textContent = `${median(delays).toFixed(0)} ms`; delays = []; }
      // Firefox counts in whole milliseconds.
      if (rounds.length) { const round = median(rounds); $('rtt').textContent = round ? `${round.toFixed(1)} ms` : 'under 1 ms'; rounds = []; }
    }, 1000);
    $('again').onclick = connect;
    addEventListener('pagehide', () => { if (location_) fetch(location_, { method: 'DELETE', keepalive: true }); });
    $('video').onresize = ({ target }) => target.style.setProperty('--ratio', target.videoWidth / target.videoHeight);
    $('video').requestVideoFrameCallback?.(onFrame);
    connect();
    </script>
    </body>
    </html>
    """
