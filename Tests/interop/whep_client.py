"""aiortc as a WHEP viewer of the source."""

import asyncio

from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError


async def post(server, path, body, method="POST"):
    return await asyncio.to_thread(server.request, method, path, body, "application/sdp")


class Frames:
    """Takes all frames of a track, and keeps their sizes and times."""

    def __init__(self, track):
        self.sizes, self.times = [], []
        self.task = asyncio.ensure_future(self._take(track))

    async def _take(self, track):
        try:
            while True:
                frame = await track.recv()
                self.sizes.append((frame.width, frame.height) if hasattr(frame, "width") else frame.samples)
                self.times.append(frame.pts)
        except MediaStreamError:
            pass


class Viewer:
    def __init__(self, video=None, codec=None, channels=(), path="/whep"):
        self.pc, self.path = RTCPeerConnection(), path
        self.frames = None
        if video is not None:
            transceiver = self.pc.addTransceiver("video", direction="recvonly")
            if codec:
                wanted = [entry for entry in RTCRtpReceiver.getCapabilities("video").codecs
                          if entry.mimeType.lower() in (f"video/{codec}", "video/rtx")]
                transceiver.setCodecPreferences(wanted)
        self.channels = [self.pc.createDataChannel(label, **options) for label, options in channels]

        @self.pc.on("track")
        def on_track(track):
            self.frames = Frames(track)

    async def connect(self, server):
        await self.pc.setLocalDescription(await self.pc.createOffer())
        response = await post(server, self.path, self.pc.localDescription.sdp)
        assert response.status == 201, response
        self.location = response.headers["Location"]
        await self.pc.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
        await until(lambda: self.pc.connectionState == "connected", "connected")
        await until(lambda: all(channel.readyState == "open" for channel in self.channels), "channels open")
        return response.text

    async def close(self):
        await self.pc.close()


async def until(condition, what, timeout=15.0):
    try:
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"after {timeout:g} s still not: {what}") from None
