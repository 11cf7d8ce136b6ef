"""A plain peer, as robots and operators that know nothing of ours are written with aiortc: what it gets on the signalling server it takes as its
own, candidates fail, nothing is ever said again. Says what happens, a line each; an operator sends what it is told on standard input.

    plain_client.py robot|operator URL [SECONDS]    SECONDS: how long a robot ponders an offer"""

import asyncio
import fractions
import json
import sys

import websockets
from aiortc import RTCConfiguration, RTCIceCandidate, RTCPeerConnection, RTCSessionDescription, VideoStreamTrack
from av import VideoFrame

WIDTH, HEIGHT, RATE = 320, 240, 30


def say(text):
    print(text, flush=True)


class Camera(VideoStreamTrack):
    count = 0

    async def recv(self):
        await asyncio.sleep(1 / RATE)
        self.count += 1
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for number, plane in enumerate(frame.planes):
            plane.update(bytes([(self.count * 7 + number * 40) % 256]) * plane.buffer_size)
        frame.pts, frame.time_base = self.count * 90_000 // RATE, fractions.Fraction(1, 90_000)
        return frame


async def watch(track):
    count = 0
    try:
        while True:
            frame = await track.recv()
            count += 1
            if count % 10 == 0:
                say(f"frames {count} {frame.width}x{frame.height}")
    except Exception as error:
        say(f"track ended {type(error).__name__}")


def attach(channel):
    say(f"channel {channel.label}")

    @channel.on("message")
    def heard(message):
        say(f"message {message}")

    @channel.on("close")
    def closed():
        say("channel closed")


async def obey(channel):
    """Lines of standard input: `send TEXT`, `bytes TEXT`, `big COUNT`, `close`."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, rest = line.rstrip("\n").partition(" ")
        match word:
            case "send":
                channel.send(rest)
            case "bytes":
                channel.send(rest.encode())
            case "big":
                channel.send(json.dumps({"x": 0.1, "y": 0.1, "padding": "p" * int(rest)}))
            case "close":
                channel.close()


async def main(role, url, ponders):
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

    @pc.on("connectionstatechange")
    def changed():
        say(f"state {pc.connectionState}")

    pc.on("track", lambda track: asyncio.ensure_future(watch(track)))
    async with websockets.connect(url) as socket:
        say("connected")
        if role == "robot":
            pc.addTrack(Camera())
            pc.on("datachannel", attach)
        else:
            pc.addTransceiver("video", direction="recvonly")
            channel = pc.createDataChannel("commands")
            attach(channel)
            channel.on("open", lambda: say("channel open"))
            asyncio.ensure_future(obey(channel))
            await pc.setLocalDescription(await pc.createOffer())
            await socket.send(json.dumps({"type": "offer", "offer": {"type": "offer", "sdp": pc.localDescription.sdp}}))
            say("offer sent")
        async for text in socket:
            try:
                message = json.loads(text)
                match message["type"]:
                    case "offer" if role == "robot":
                        say("offer received")
                        await asyncio.sleep(ponders)
                        await pc.setRemoteDescription(RTCSessionDescription(**message["offer"]))
                        await pc.setLocalDescription(await pc.createAnswer())
                        await socket.send(json.dumps({"type": "answer", "answer": {"type": "answer", "sdp": pc.localDescription.sdp}}))
                        say("answer sent")
                    case "answer" if role == "operator":
                        await pc.setRemoteDescription(RTCSessionDescription(**message["answer"]))
                        say("answer received")
                    case "candidate":
                        # It takes other words: every candidate fails.
                        await pc.addIceCandidate(RTCIceCandidate(**message["candidate"]))
            except Exception as error:
                say(f"failed {type(error).__name__} {error}")


asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3]) if len(sys.argv) > 3 else 0))
