"""`waldo up` by its figures: the page's first picture, the picture's way to the glass, the stick's way to the wheels, the emergency stop, and what viewers cost.

What a page sees is written down by a script that is put before the console's own: the console itself is measured as it is. Its clock and the robot's are
joined by pings on the control channel; the quickest one says the way there and back."""

import json
import statistics
import tempfile
import time
import urllib.request

from playwright.sync_api import Error, sync_playwright

from parts import RUNS, SECONDS, show, table
from processes import BINARY, Failed, Process, Server, free_port, median, progress, until

LOADS = 9
PRESSES = 200
ESTOPS = 40
VIEWERS = (1, 20)
BITRATE = 1500

# Beside the console: channels, presented frames, key presses, what was sent and heard.
WATCH = """(() => {
  const seen = window.measured = { channels: {}, frames: new Map(), sent: new Map(), keys: [], telemetry: [], trips: [] };
  const bound = map => { if (map.size > 20000) map.delete(map.keys().next().value); };
  addEventListener('keydown', event => seen.keys.push({ at: event.timeStamp, run: performance.now() }), { capture: true });
  const make = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (label, ...rest) {
    const channel = make.call(this, label, ...rest), send = channel.send.bind(channel);
    seen.channels[label] = channel;
    channel.send = text => {
      const message = JSON.parse(text), at = performance.now();
      if (message.seq !== undefined) { seen.sent.set(message.seq, { ...message, at }); bound(seen.sent); }
      send(text);
    };
    channel.addEventListener('message', ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === 'pong') seen.trips.push(performance.now() - message.t);
      if (message.type === 'telemetry' && message.command) seen.telemetry.push(message.command);
    });
    return channel;
  };
  const request = HTMLVideoElement.prototype.requestVideoFrameCallback;
  HTMLVideoElement.prototype.requestVideoFrameCallback = function (callback) {
    return request.call(this, (now, metadata) => {
      if (metadata.rtpTimestamp !== undefined) {
        seen.frames.set(metadata.rtpTimestamp, { at: performance.now(), capture: metadata.captureTime ?? null });
        bound(seen.frames);
      }
      callback(now, metadata);
    });
  };
})()"""

# One sample a command that telemetry names: no more than 20 of the 30 to 60 a second.
PICTURES = """() => {
  const way = Math.min(...measured.trips) / 2, done = new Set(), glass = [], age = [];
  for (const { seq, view_age, queue_age } of measured.telemetry) {
    const sent = measured.sent.get(seq), frame = sent && measured.frames.get(sent.seen);
    if (!frame || view_age === null || done.has(seq)) continue;
    done.add(seq);
    age.push(view_age);
    glass.push(view_age - (sent.t - frame.at) - (queue_age ?? 0) - way);
  }
  return { glass, age, way: way * 2, captures: [...measured.frames.values()].filter(frame => frame.capture !== null).length, frames: measured.frames.size };
}"""

STICKS = """() => {
  const way = Math.min(...measured.trips) / 2, ages = new Map(measured.telemetry.map(each => [each.seq, each.queue_age]));
  const page = [], sent = [...measured.sent.values()].filter(each => each.vyaw || each.vx);
  for (const { at } of measured.keys) {
    const first = sent.find(each => each.at >= at);
    if (first && first.at - at < 200) page.push(first.at - at);
  }
  const channel = [];
  for (const [seq, age] of ages) {
    const each = measured.sent.get(seq);
    if (each && age !== null) channel.push(age + way - (each.at - each.t));
  }
  return { page, channel, trips: measured.trips };
}"""

# A page that does no more than show a picture, for aiortc.
MINIMAL = """<!doctype html><meta charset=utf-8><video id=video autoplay muted playsinline></video><script type=module>
window.waldo = { firstFrameMs: null };
video.requestVideoFrameCallback(() => { waldo.firstFrameMs = performance.now(); });
const pc = new RTCPeerConnection();
pc.addTransceiver('video', { direction: 'recvonly' });
pc.ontrack = event => { video.srcObject = new MediaStream([event.track]); };
await pc.setLocalDescription();
const answer = await fetch('/whep', { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
</script>"""


def quantile(values, part):
    return sorted(values)[min(int(len(values) * part), len(values) - 1)] if values else None


class Station(Server):
    """`waldo up`, 720p30."""

    def __init__(self, folder, *options):
        self.kind, self.codec, self.port = "waldo up", None, free_port()
        Process.__init__(self, [BINARY, "up", "--port", str(self.port), "--data", folder, "--size", "1280x720", *options])
        self.url, self.measured = f"http://127.0.0.1:{self.port}", self.pid
        deadline = time.monotonic() + 30
        while "Ctrl+C" not in self.line(max(1, deadline - time.monotonic())):
            pass
        time.sleep(1)

    def request(self, path):
        with urllib.request.urlopen(self.url + path, timeout=5) as response:
            return response.read().decode()

    def state(self):
        return json.loads(self.request("/api/robots/rover/state"))

    def average(self, before, seconds, count):
        """Milliseconds each, of two counters, since `before`."""
        after = self.metrics()
        total = lambda values, start: sum(value for name, value in values.items() if name.startswith(start[0]) and start[1] in name)
        made = total(after, count) - total(before, count)
        return 1000 * (total(after, seconds) - total(before, seconds)) / made if made else None


class Crowd(Process):
    def __init__(self, station, count, seconds):
        super().__init__([BINARY, "bench", "viewers", "--url", station.url + "/whep/rover", "--count", str(count), "--seconds", str(seconds), "--every", "1"])
        joined = self.line(60)
        if joined != "connected":
            raise Failed(joined)

    def figures(self, timeout=10):
        values = dict(part.split("=") for part in self.line(timeout).split())
        return {name: None if value == "-" else float(value) for name, value in values.items()}


def wait(condition, what, timeout=20):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise Failed(f"after {timeout} s still not: {what}")
        time.sleep(0.02)
    return value


# The first picture

def load(browser, url):
    """ms from the start of the navigation to the first frame's presentation, by the page's own clock; a browser context of its own, nothing in its caches."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.goto(url)
        until(page, "window.waldo && waldo.firstFrameMs !== null")
        return page.evaluate("waldo.firstFrameMs")
    finally:
        context.close()
        time.sleep(0.7)


def first_pictures(browser, folder):
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file, Station(folder) as station:
        file.write(MINIMAL)
        file.flush()
        alone, beside, peer = [], [], []
        load(browser, station.url + "/")
        codec = "vp8" if any('codec="vp8"' in name for name in station.metrics()) else "h264"
        with Server("aiortc", codec, ("--page", file.name)) as aiortc:
            load(browser, aiortc.url + "/")
            for _ in range(LOADS):
                alone.append(load(browser, station.url + "/"))
                with Crowd(station, 1, 12):
                    time.sleep(0.5)
                    beside.append(load(browser, station.url + "/"))
                peer.append(load(browser, aiortc.url + "/"))
    progress(f"first picture: {alone}; beside a viewer {beside}; aiortc {peer}")
    row = lambda title, values: [title, show(median(values), 0), f"{min(values):.0f}–{max(values):.0f}", f"{len(values)} loads, {codec}"]
    return [row("page load → first picture, nobody watched before, ms", alone), row("the same, while somebody watches, ms", beside),
            row("the same, minimal aiortc page, ms", peer)]


# The drive

def open_console(browser, station):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.add_init_script(WATCH)
    page.goto(station.url.replace("127.0.0.1", "localhost") + "/")
    until(page, "window.waldo && waldo.state === 'live' && waldo.frames > 30")
    page.get_by_role("button", name="Drive", exact=True).click()
    until(page, "waldo.lease?.yours && waldo.lease.state === 'held' && !waldo.telemetry.safety.rest_needed")
    time.sleep(2)
    return page


def forget(page):
    page.evaluate("() => { for (const list of [measured.keys, measured.telemetry, measured.trips]) list.length = 0; measured.sent.clear(); measured.frames.clear(); }")


def pictures(page, station):
    forget(page)
    before = station.metrics()
    time.sleep(max(30, 3 * SECONDS))
    found = page.evaluate(PICTURES)
    drawn = station.average(before, ("waldo_sim_render_seconds_total", ""), ("waldo_sim_pictures_total", ""))
    encoded = station.average(before, ("waldo_encoder{", 'figure="seconds"'), ("waldo_encoder{", 'figure="frames"'))
    progress(f"pictures: {len(found['glass'])} samples, render {drawn}, encode {encoded}, captureTime in {found['captures']} of {found['frames']} frames")
    return [["picture → presentation in the page, 720p30, p50 / p95, ms", f"{show(quantile(found['glass'], .5))} / {show(quantile(found['glass'], .95))}", "",
             f"{len(found['glass'])} samples; drawing {show(drawn)} ms and encoding {show(encoded)} ms each on average, both within"],
            ["view age at the robot's gate, p50 / p95, ms", f"{show(quantile(found['age'], .5))} / {show(quantile(found['age'], .95))}", "",
             "the former, the wait for the next command, the way back"]]


def press(page):
    # Left and right in turn, so that the robot stays where it is.
    for number in range(PRESSES):
        key = "ad"[number % 2]
        page.keyboard.down(key)
        time.sleep(0.11)
        page.keyboard.up(key)
        time.sleep(0.14 + 0.013 * (number % 5))
    time.sleep(1)


def bare_keys(browser, station):
    """The browser's own part: the same keys in a page that shows the same picture and does nothing else."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.add_init_script(WATCH)
        page.route("**/bare", lambda route: route.fulfill(body=MINIMAL.replace("'/whep'", "'/whep/rover'"), content_type="text/html"))
        page.goto(station.url + "/bare")
        until(page, "window.waldo && waldo.firstFrameMs !== null")
        time.sleep(2)
        forget(page)
        press(page)
        taken = page.evaluate("measured.keys.map(key => key.run - key.at)")
    finally:
        context.close()
    return [["key event → handler in a page that only shows the picture, p50 / p99, ms", pair(taken), f"{min(taken):.2f}–{max(taken):.2f}",
             f"{len(taken)} key presses: what the browser takes by itself"]]


def pair(values):
    return f"{show(quantile(values, .5), 2)} / {show(quantile(values, .99), 2)}"


def sticks(page):
    forget(page)
    press(page)
    found = page.evaluate(STICKS)
    within, channel, trips = found["page"], found["channel"], found["trips"]
    progress(f"sticks: {len(within)} presses, {len(channel)} commands, {len(trips)} pings")
    draw = [one + other for one in within for other in channel]
    return [["stick → wheel command at the driver, p50 / p99, ms", pair(draw), "", "the next two lines, each sample of one with each of the other"],
            ["of it: key event → sent by the page", pair(within), f"{min(within, default=0):.2f}–{max(within, default=0):.2f}", f"{len(within)} key presses"],
            ["of it: sent → gate and driver", pair(channel), f"{min(channel, default=0):.2f}–{max(channel, default=0):.2f}",
             f"{len(channel)} commands; half the quickest of {len(trips)} round trips, and what each waited beyond the quickest of 30 s"],
            ["round trip on the control channel, p50 / p99, ms", pair(trips), "", "pings of the console"]]


def emergency_stops(page, station):
    taken = []
    for number in range(ESTOPS):
        page.evaluate("""() => measured.channels.control.send('{"type":"estop"}')""")
        wait(lambda: page.evaluate("waldo.telemetry.safety.latched"), "latched")
        taken.append(1000 * station.metrics()['waldo_robot{robot="rover",figure="estop_to_driver_seconds"}'])
        page.wait_for_timeout(120)
        page.evaluate("""number => measured.channels.state.send(JSON.stringify({ type: 'clear', nonce: 100000 + number, epoch: waldo.lease.epoch }))""", number)
        wait(lambda: not page.evaluate("waldo.telemetry.safety.latched"), "cleared")
    progress(f"emergency stops: {taken}")
    return [["e-stop: message read → driver, p50 / max, ms", f"{show(quantile(taken, .5), 3)} / {show(max(taken), 3)}", "",
             f"{len(taken)} over the data channel, the robot at rest; the station's own metric, which begins when the datagram's message is handled"]]


# Viewers

def viewers_run(station, count):
    with Crowd(station, count, SECONDS + 8) as crowd:
        for _ in range(3):
            first = crowd.figures(20)
        start, cpu, reactor, before = time.monotonic(), station.cpu(), station.thread_cpu("waldo-reactor"), station.metrics()
        for _ in range(SECONDS):
            figures = crowd.figures()
        span, used, after = time.monotonic() - start, station.cpu() - cpu, station.metrics()
        sending = station.thread_cpu("waldo-reactor") - reactor
        if figures["connected"] < count:
            raise Failed(f"{figures['connected']:.0f} of {count} connected")
    drawn = after["waldo_sim_pictures_total"] - before["waldo_sim_pictures_total"]
    return {"cpu": 100 * used / span, "reactor": 100 * sending / span, "factor": after["waldo_sim_real_time_factor"], "drift": after["waldo_sim_drift_seconds"], "resident": station.resident() / 1024,
            "pictures": drawn / span, "packets": (figures["packets"] - first["packets"]) / count / span, "freezes": figures["freezes"]}


def crowds(folder):
    runs = {count: [] for count in VIEWERS}
    # Somebody turns it on the spot: the picture of a robot that stands takes a fraction of the rate.
    with Station(folder, "--bitrate", str(BITRATE)) as station, Process([BINARY, "bench", "operator", "--speed", "0,80", "--station", station.url]) as operator:
        idle = station.resident() / 1024
        operator.line(20)
        for _ in range(RUNS):
            for count in VIEWERS:
                runs[count].append(viewers_run(station, count))
                progress(f"{count} viewers: {runs[count][-1]}")
                time.sleep(1)
    few, many = VIEWERS
    each, reactor = ([(more[name] - less[name]) / (many - few) for less, more in zip(runs[few], runs[many])] for name in ("cpu", "reactor"))
    middle = lambda count, name: median([run[name] for run in runs[count]])
    return [[f"CPU for each viewer of {few + 1} … {many}, % of a core", show(statistics.median(each), 2), " ".join(f"{value:.2f}" for value in each),
             f"{middle(few, 'cpu'):.0f} % with {few}, {middle(many, 'cpu'):.0f} % with {many}; at most {BITRATE} kbit/s, "
             f"{middle(many, 'packets'):.0f} packets a second each; {RUNS} runs of {SECONDS} s in turn, while the robot turns"],
            ["of it: the thread that sends", show(statistics.median(reactor), 2), " ".join(f"{value:.2f}" for value in reactor), "drawing and encoding are not in it"],
            [f"physics real-time factor with {many} viewers", show(middle(many, "factor"), 6), "",
             f"drift {1000 * middle(many, 'drift'):.2f} ms since the start; {middle(many, 'pictures'):.1f} pictures a second drawn"],
            ["resident memory, MB", f"{middle(many, 'resident'):.0f} with {many} viewers", f"{idle:.0f} before any", "the drawing's (llvmpipe, MuJoCo) included"]]


def up():
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=[
            "--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"])

        def part(title, measure):
            try:
                rows.extend(measure())
            except (Failed, Error, OSError) as failure:
                progress(f"{title}: {failure}")
                rows.append([title, "–", "", str(failure).splitlines()[0]])

        try:
            part("first picture", lambda: first_pictures(browser, folder))
            with Station(folder) as station:
                opened = []
                part("the drive", lambda: opened.append(open_console(browser, station)) or [])
                for page in opened:
                    part("pictures", lambda: pictures(page, station))
                    part("sticks", lambda: sticks(page))
                    part("emergency stops", lambda: emergency_stops(page, station))
                    page.context.close()
                part("bare keys", lambda: bare_keys(browser, station))
        finally:
            browser.close()
        part("viewers", lambda: crowds(folder))
    return ("## `waldo up`\n\nThe simulated robot, drawn without a graphics card, its console in headless Chromium, and everything else on the same machine. "
            "A picture's way begins with the state of the world that it shows, before it is drawn, and ends in the page's callback for its presentation: "
            "the robot's own view age of a command, less what the command waited in the page and took on its way. "
            "No screen is in it.\n\n" + table(["figure", "value", "range", "how"], rows))
