// What a page asks of `waldo bench web`; answers what came, for the test to judge.
async () => {
  const results = {};
  const json = async (path, options) => (await fetch(path, options)).json();
  const within = (promise, what, ms = 10000) =>
    Promise.race([promise, new Promise((_, fail) => setTimeout(() => fail(new Error(`${what}: nothing within ${ms} ms`)), ms))]);

  // Plain requests.
  const many = await Promise.all(Array.from({ length: 40 }, (_, n) => fetch(`/text/${n}`).then(answer => answer.text())));
  results.many = many.every((text, n) => text === `Hello, ${n}!\n`);
  results.sum = await json('/sum', { method: 'POST', body: JSON.stringify({ values: [1, 2, 3.5] }) });
  const body = new Uint8Array(700_000).map((_, n) => n * 7);
  const echoed = new Uint8Array(await (await fetch('/echo', { method: 'POST', body })).arrayBuffer());
  results.echo = echoed.length === body.length && echoed.every((byte, n) => byte === body[n]);
  results.missing = [(await fetch('/none')).status, (await json('/none')).error.code];
  const part = await fetch('/files/big.bin', { headers: { Range: 'bytes=10-19' } });
  results.range = [part.status, (await part.arrayBuffer()).byteLength];
  await fetch('/files/app.js');
  results.cached = (await fetch('/files/app.js', { cache: 'no-cache' })).status;

  // A WebSocket.
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const socket = new WebSocket(`${scheme}://${location.host}/ws`, ['other', 'echo']);
  socket.binaryType = 'arraybuffer';
  await within(new Promise((done, fail) => { socket.onopen = done; socket.onerror = () => fail(new Error('no WebSocket')); }), 'open');
  const reply = message => within(new Promise(done => { socket.onmessage = event => done(event.data); socket.send(message); }), 'echo');
  const large = new Uint8Array(1_000_000).map((_, n) => n * 13 + (n >> 8));
  const back = new Uint8Array(await reply(large));
  results.socket = {
    protocol: socket.protocol, extensions: socket.extensions, text: await reply('Grüße 🤖'), empty: await reply(''),
    large: back.length === large.length && back.every((byte, n) => byte === large[n]),
  };
  let count = 0;
  await within(new Promise(done => {
    socket.onmessage = () => { if (++count === 500) done(); };
    for (let n = 0; n < 500; n++) socket.send(`message ${n}`);
  }), '500 messages');
  const closed = new Promise(done => { socket.onclose = event => done([event.code, event.reason, event.wasClean]); });
  socket.close(3000, 'enough');
  results.socket.closed = await within(closed, 'close');

  // Events.
  const events = new EventSource('/events');
  const ticks = [];
  await within(new Promise(done => { events.onmessage = event => { ticks.push([JSON.parse(event.data).tick, event.lastEventId]); if (ticks.length === 5) done(); }; }), 'events');
  events.close();
  results.events = ticks.every(([tick, id], n) => String(tick) === id && tick === ticks[0][0] + n);

  // MJPEG in an <img>: the colour of the last of some pictures.
  const canvas = document.createElement('canvas');
  const paint = canvas.getContext('2d');
  [canvas.width, canvas.height] = [64, 48];
  const image = document.createElement('img');
  document.body.append(image);
  image.src = '/picture';
  for (let n = 0; n < 10; n++) {
    paint.fillStyle = n < 9 ? '#ff0000' : '#00ff00';
    paint.fillRect(0, 0, 64, 48);
    const jpeg = await new Promise(done => canvas.toBlob(done, 'image/jpeg'));
    // Browsers show a picture when the next one begins.
    for (let again = 0; again < 2; again++) await fetch('/picture', { method: 'PUT', body: jpeg });
    await new Promise(done => setTimeout(done, 50));
  }
  const colour = () => { paint.drawImage(image, 0, 0); return [...paint.getImageData(20, 20, 1, 1).data]; };
  for (let n = 0; n < 50 && !(image.naturalWidth && colour()[1] > 200); n++) await new Promise(done => setTimeout(done, 100));
  results.picture = { width: image.naturalWidth, colour: image.naturalWidth ? colour() : null };
  image.src = '';
  return results;
}
