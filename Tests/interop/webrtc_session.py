"""One end of an aiortc session, as a program of its own: `robot` offers, `operator` answers; descriptions are lines of JSON on standard output and
input. Further lines: `pause`, `go on` (the operator's commands). Options: `video`, `commands`."""

import asyncio
import json
import os
import sys
import time

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from aiortc.contrib.media import MediaBlackhole
from av import VideoFrame


class Noise(VideoStreamTrack):
    """Pictures that do not compress: each takes several packets."""

    async def recv(self):
        picture = VideoFrame(160, 120, "yuv420p")
        for plane in picture.planes:
            plane.update(os.urandom(plane.buffer_size))
        picture.pts, picture.time_base = await self.next_timestamp()
        return picture


async def main(role, options):
    loop, tasks = asyncio.get_running_loop(), []
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def description():
        return RTCSessionDescription(**json.loads(await reader.readline()))

    def say(**line):
        print(json.dumps(line), flush=True)

    pc, sink, running = RTCPeerConnection(RTCConfiguration(iceServers=[])), MediaBlackhole(), asyncio.Event()
    running.set()

    @pc.on("connectionstatechange")
    def changed():
        say(state=pc.connectionState, time=time.monotonic())

    @pc.on("track")
    async def track(track):
        sink.addTrack(track)
        await sink.start()

    async def command(channel):
        while True:
            await running.wait()
            channel.send('{"type":"drive","vx":0.2}')
            await asyncio.sleep(0.04)

    @pc.on("datachannel")
    def opened(channel):
        if "commands" in options:
            tasks.append(asyncio.ensure_future(command(channel)))

    if role == "robot":
        if "video" in options:
            pc.addTrack(Noise())
        pc.createDataChannel("control")
        await pc.setLocalDescription(await pc.createOffer())
        say(sdp=pc.localDescription.sdp, type="offer")
        await pc.setRemoteDescription(await description())
    else:
        await pc.setRemoteDescription(await description())
        await pc.setLocalDescription(await pc.createAnswer())
        say(sdp=pc.localDescription.sdp, type="answer")
    while line := await reader.readline():
        running.clear() if line == b"pause\n" else running.set()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
