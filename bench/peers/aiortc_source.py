"""aiortc as a WHEP server with the picture of `waldo bench source` and an echo on data channels.

usage: aiortc_source.py --port N --codec h264|vp8 [--once] [--page FILE]

aiortc encodes for every viewer anew. With --once one encoder feeds all through MediaRelay, as its API also allows:
then a late viewer waits for the next key frame, one a second."""

import argparse
import asyncio
import fractions
import time

import aiortc.codecs.h264
import aiortc.codecs.vpx
import av
from aiohttp import web
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.contrib.media import MediaRelay

from picture import Picture

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--codec", choices=["h264", "vp8"], default="h264")
parser.add_argument("--size", default="1280x720")
parser.add_argument("--rate", type=int, default=30)
parser.add_argument("--bitrate", type=int, default=1500, help="kbit/s")
parser.add_argument("--once", action="store_true")
parser.add_argument("--page")
options = parser.parse_args()
width, height = map(int, options.size.split("x"))

for module in (aiortc.codecs.h264, aiortc.codecs.vpx):
    module.DEFAULT_BITRATE = module.MIN_BITRATE = module.MAX_BITRATE = options.bitrate * 1000


class Camera(VideoStreamTrack):
    def __init__(self):
        super().__init__()
        self.picture, self.count, self.start = Picture(width, height), 0, None

    async def recv(self):
        now = time.monotonic()
        self.start = self.start or now
        # A late picture is left out, as by our source.
        self.count = max(self.count + 1, int((now - self.start) * options.rate))
        await asyncio.sleep(max(0, self.start + self.count / options.rate - now))
        data = self.picture.draw()
        frame = av.VideoFrame(width, height, "yuv420p")
        at = 0
        for plane, rows in zip(frame.planes, (height, height // 2, height // 2)):
            size = plane.line_size * rows
            plane.update(data[at:at + size])
            at += size
        frame.pts, frame.time_base = self.count * 90000 // options.rate, fractions.Fraction(1, 90000)
        return frame


class EncodedCamera(Camera):
    """Gives packets, which the senders only cut and send."""

    def __init__(self):
        super().__init__()
        self.encoder = av.CodecContext.create("libx264" if options.codec == "h264" else "libvpx", "w")
        self.encoder.width, self.encoder.height, self.encoder.pix_fmt = width, height, "yuv420p"
        self.encoder.bit_rate = options.bitrate * 1000
        self.encoder.framerate = fractions.Fraction(options.rate, 1)
        self.encoder.time_base = fractions.Fraction(1, 90000)
        self.encoder.gop_size = options.rate
        if options.codec == "h264":
            self.encoder.profile = "Baseline"
            self.encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "level": "31"}
        else:
            self.encoder.options = {"deadline": "realtime", "cpu-used": "-8", "static-thresh": "1", "threads": "1", "lag-in-frames": "0"}

    async def recv(self):
        while True:
            frame = await super().recv()
            packets = await asyncio.get_running_loop().run_in_executor(None, self.encoder.encode, frame)
            if packets:
                return packets[0]


relay, camera, peers = MediaRelay(), None, set()


async def offer(request):
    global camera
    camera = camera or (EncodedCamera() if options.once else Camera())
    peer = RTCPeerConnection()
    peers.add(peer)

    @peer.on("connectionstatechange")
    async def changed():
        if peer.connectionState in ("failed", "closed"):
            await peer.close()
            peers.discard(peer)

    @peer.on("datachannel")
    def opened(channel):
        channel.on("message", channel.send)

    sdp = await request.text()
    await peer.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
    if "m=video" in sdp:
        peer.addTrack(relay.subscribe(camera, buffered=False))
        wanted = [codec for codec in RTCRtpSender.getCapabilities("video").codecs
                  if codec.mimeType.lower() in (f"video/{options.codec}", "video/rtx")]
        peer.getTransceivers()[0].setCodecPreferences(wanted)
    await peer.setLocalDescription(await peer.createAnswer())
    return web.Response(status=201, text=peer.localDescription.sdp, content_type="application/sdp", headers={"Location": "/whep/1"})


async def page(request):
    with open(options.page) as file:
        return web.Response(text=file.read(), content_type="text/html")


application = web.Application()
application.router.add_post("/whep", offer)
application.router.add_delete("/whep/1", lambda request: web.Response())
application.router.add_get("/", page)
web.run_app(application, host="127.0.0.1", port=options.port, print=lambda *_: print("ready", flush=True))
