"""A plain operator as one writes it on aiortc: offers, decodes what comes, and says `frame` at the first picture.

usage: aiortc_operator.py SIGNALLING_URL"""

import asyncio
import json
import sys

import websockets
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription


async def watch(track):
    first = True
    while True:
        await track.recv()
        if first:
            print("frame", flush=True)
            first = False


async def main(url):
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTransceiver("video", direction="recvonly")
    peer.createDataChannel("robot-control")
    peer.on("track", lambda track: asyncio.ensure_future(watch(track)))
    async with websockets.connect(url) as socket:
        await peer.setLocalDescription(await peer.createOffer())
        local = peer.localDescription
        await socket.send(json.dumps({"type": "offer", "offer": {"type": local.type, "sdp": local.sdp}}))
        async for text in socket:
            message = json.loads(text)
            if message.get("type") == "answer" and peer.signalingState == "have-local-offer":
                await peer.setRemoteDescription(RTCSessionDescription(**message["answer"]))


asyncio.run(main(sys.argv[1]))
