"""Delays as Chromium sees them: the page of `waldo bench source`, served by us and by aiortc."""

import tempfile
import time
import urllib.request

from playwright.sync_api import Error, sync_playwright

from parts import CODECS, RUNS, SECONDS, ratio, show, table
from processes import KINDS, Failed, Server, median, progress, until

FIGURES = """async () => {
  const quantile = (values, q) => { const sorted = [...values].sort((a, b) => a - b); return sorted[Math.floor(sorted.length * q)] ?? null; };
  const inbound = [...(await waldo.pc.getStats()).values()].find(s => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
  return { state: waldo.pc.connectionState, frames: waldo.delays.length, rounds: waldo.rounds.length,
    delay50: quantile(waldo.delays, .5), delay95: quantile(waldo.delays, .95), round50: quantile(waldo.rounds, .5), round99: quantile(waldo.rounds, .99),
    decoded: inbound.framesDecoded ?? 0, buffer: 1000 * inbound.jitterBufferDelay / inbound.jitterBufferEmittedCount,
    decode: 1000 * inbound.totalDecodeTime / inbound.framesDecoded };
}"""

# Two peers in the page itself, with the same messages: what Chromium takes for two of its ends and no server between them.
ITSELF = """async () => {
  const [one, other] = [new RTCPeerConnection(), new RTCPeerConnection()], rounds = [];
  one.onicecandidate = ({ candidate }) => other.addIceCandidate(candidate);
  other.onicecandidate = ({ candidate }) => one.addIceCandidate(candidate);
  other.ondatachannel = ({ channel }) => { channel.onmessage = ({ data }) => channel.send(data); };
  const channel = one.createDataChannel('itself', { ordered: false, maxRetransmits: 0 });
  await one.setLocalDescription();
  await other.setRemoteDescription(one.localDescription);
  await other.setLocalDescription();
  await one.setRemoteDescription(other.localDescription);
  await new Promise(resolve => { channel.onopen = resolve; });
  channel.onmessage = ({ data }) => rounds.push(performance.now() - Number(data));
  const timer = setInterval(() => channel.send(String(performance.now())), 50);
  await new Promise(resolve => setTimeout(resolve, SECONDS * 1000));
  clearInterval(timer);
  one.close();
  other.close();
  rounds.sort((a, b) => a - b);
  return { round50: rounds[Math.floor(rounds.length / 2)], round99: rounds[Math.floor(rounds.length * .99)], rounds: rounds.length };
}"""


def run(browser, kind, codec, page_file):
    extra = () if kind == "waldo" else ("--page", page_file)
    with Server(kind, codec, extra) as server:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(15_000)
        try:
            page.goto(server.url + "/")
            until(page, "window.waldo && waldo.delays.length > 30 && waldo.rounds.length > 10", 25)
            time.sleep(3)
            page.evaluate("() => { waldo.delays.length = 0; waldo.rounds.length = 0; }")
            time.sleep(max(20, SECONDS))
            found = page.evaluate(FIGURES)
            if kind == "waldo":
                found["itself"] = page.evaluate(ITSELF.replace("SECONDS", str(SECONDS)))
            return found
        except Error as error:
            raise Failed(str(error).splitlines()[0]) from error
        finally:
            page.close()


def chromium():
    rows, ours = [], {}
    with Server("waldo", "vp8") as server:
        page = urllib.request.urlopen(server.url + "/", timeout=5).read()
    with tempfile.NamedTemporaryFile(suffix=".html") as file, sync_playwright() as driver:
        file.write(page)
        file.flush()
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=[
            "--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"])
        try:
            for codec in CODECS:
                runs = {"waldo": [], "aiortc": []}
                for _ in range(RUNS):
                    for kind in runs:
                        try:
                            runs[kind].append(run(browser, kind, codec, file.name))
                            progress(f"chromium, {codec}, {kind}: {runs[kind][-1]}")
                        except Failed as failure:
                            progress(f"chromium, {codec}, {kind}: {failure}")
                for kind, found in runs.items():
                    values = {name: median([run[name] for run in found]) for name in ("delay50", "delay95", "round50", "round99", "frames")}
                    if kind == "waldo":
                        ours = values
                    rows.append([codec, KINDS[kind].name] + [
                        show(values[name], digits) + ("" if kind == "waldo" else f" ({ratio(values[name], ours[name])})")
                        for name, digits in (("delay50", 1), ("delay95", 1), ("round50", 2), ("round99", 2))] + [show(values["frames"], 0)])
                itself = {name: median([run["itself"][name] for run in runs["waldo"]]) for name in ("round50", "round99")}
                rows.append([codec, "Chromium to itself, beside our video", "", "", show(itself["round50"], 2), show(itself["round99"], 2), ""])
        finally:
            browser.close()
    return ("## Chromium: glass to glass and data-channel round trip\n\nOne viewer in headless Chromium on the same machine, 720p30 at 1.5 Mbit/s. Glass to glass: from the time "
            "drawn into the picture before it is encoded to its presentation callback in the page. Round trip: 20 small messages a second, echoed, unordered, while the video runs. "
            "Chromium to itself: two of its peers in one page, with no server between them, while our video runs in it.\n\n"
            + table(["codec", "server", "glass p50, ms", "p95, ms", "round trip p50, ms", "p99, ms", "frames seen"], rows))
