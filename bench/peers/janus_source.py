"""Janus with a streaming mountpoint, fed with RTP by GStreamer in another process, behind a small WHEP door.

usage: janus_source.py --port N --codec h264|vp8    prints `ready PID` with the process id of Janus itself"""

import argparse
import asyncio
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile

import aiohttp
from aiohttp import web

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--codec", choices=["h264", "vp8"], default="h264")
options = parser.parse_args()
# As in the viewers' offers.
PAYLOAD = {"h264": 102, "vp8": 96}[options.codec]


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


http_port, rtp_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
directory = pathlib.Path(tempfile.mkdtemp(prefix="waldo-janus-"))
library = next(pathlib.Path("/usr/lib").glob("*/janus"))
(directory / "janus.jcfg").write_text(f"""
general: {{ configs_folder = "{directory}"
  plugins_folder = "{library}/plugins"
  transports_folder = "{library}/transports"
  events_folder = "{library}/events"
  loggers_folder = "{library}/loggers"
  debug_level = 2
  session_timeout = 0 }}
plugins: {{ disable = "{','.join(sorted(f.name for f in (library / 'plugins').glob('*.so') if 'streaming' not in f.name))}" }}
transports: {{ disable = "{','.join(sorted(f.name for f in (library / 'transports').glob('*.so') if 'http' not in f.name))}" }}
events: {{ broadcast = false }}
""")
(directory / "janus.transport.http.jcfg").write_text(f"""
general: {{ json = "compact"
  base_path = "/janus"
  http = true
  port = {http_port}
  ip = "127.0.0.1"
  https = false }}
admin: {{ admin_http = false }}
""")
fmtp = 'videofmtp = "profile-level-id=42e01f;packetization-mode=1"' if options.codec == "h264" else ""
(directory / "janus.plugin.streaming.jcfg").write_text(f"""
camera: {{ type = "rtp"
  id = 1
  audio = false
  video = true
  videoport = {rtp_port}
  videopt = {PAYLOAD}
  videocodec = "{options.codec}"
  {fmtp} }}
""")
log = open(directory / "log", "w")
janus = subprocess.Popen(["janus", "-F", str(directory), "-o"], stdout=log, stderr=subprocess.STDOUT)
feed = subprocess.Popen(
    ["/usr/bin/python3", str(pathlib.Path(__file__).with_name("webrtcbin_source.py")), "--port", str(free_port(socket.SOCK_STREAM)),
     "--codec", options.codec, "--rtp-port", str(rtp_port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


async def call(session, path, **message):
    message["transaction"] = f"{random.getrandbits(64):x}"
    async with session.post(f"http://127.0.0.1:{http_port}/janus{path}", json=message) as response:
        return await response.json(content_type=None)


async def offer(request):
    client = request.app["client"]
    number = (await call(client, "", janus="create"))["data"]["id"]
    handle = (await call(client, f"/{number}", janus="attach", plugin="janus.plugin.streaming"))["data"]["id"]
    await call(client, f"/{number}/{handle}", janus="message", body={"request": "watch", "id": 1},
               jsep={"type": "offer", "sdp": await request.text()})
    for _ in range(20):
        async with client.get(f"http://127.0.0.1:{http_port}/janus/{number}") as response:
            event = await response.json(content_type=None)
        if "jsep" in event:
            await call(client, f"/{number}/{handle}", janus="trickle", candidate={"completed": True})
            # As it is, it says actpass, which an answer must not; Janus then begins the handshake.
            answer = event["jsep"]["sdp"].replace("setup:actpass", "setup:active")
            return web.Response(status=201, text=answer, content_type="application/sdp", headers={"Location": "/whep/1"})
        if event.get("janus") == "event" and "error" in str(event):
            return web.Response(status=500, text=str(event))
    return web.Response(status=504, text="Janus gave no answer")


async def start(app):
    app["client"] = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15))
    for _ in range(100):
        try:
            await call(app["client"], "", janus="info")
            break
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
    await asyncio.sleep(2)


async def stop(app):
    await app["client"].close()
    for process in (janus, feed):
        process.send_signal(signal.SIGKILL)
        process.wait(5)
    shutil.rmtree(directory, ignore_errors=True)


application = web.Application()
application.router.add_post("/whep", offer)
application.on_startup.append(start)
application.on_cleanup.append(stop)
web.run_app(application, host="127.0.0.1", port=options.port, print=lambda *_: print(f"ready {janus.pid}", flush=True))
