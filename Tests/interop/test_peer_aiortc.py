"""Our full-ICE peer with aiortc: offering and answering, sending and receiving."""

import asyncio

import pytest
from aiortc import AudioStreamTrack, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack

from conftest import run_async
from peer import Peer
from whep_client import Frames, until

SMALL = ("--size", "640x352", "--bitrate", "600")


class Side:
    """aiortc's side: what its tracks bring, by kind."""

    def __init__(self):
        self.pc = RTCPeerConnection()
        self.frames, self.channels, self.messages = {}, [], []
        self.pc.on("track", lambda track: self.frames.update({track.kind: Frames(track)}))
        self.pc.on("datachannel", self.adopt)

    def adopt(self, channel):
        self.channels.append(channel)
        channel.on("message", self.messages.append)

    async def exchange(self, peer, offers):
        """Offer and answer; aiortc's descriptions hold all candidates."""
        if offers:
            await self.pc.setLocalDescription(await self.pc.createOffer())
            answer = await asyncio.to_thread(peer.answer, self.pc.localDescription.sdp)
            await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        else:
            await self.pc.setRemoteDescription(RTCSessionDescription(await asyncio.to_thread(peer.offer), "offer"))
            await self.pc.setLocalDescription(await self.pc.createAnswer())
            peer.accept(self.pc.localDescription.sdp)
        await asyncio.to_thread(peer.expect, "state connected")
        await until(lambda: self.pc.connectionState == "connected", "connected")

    def prefer(self, codec):
        for transceiver in self.pc.getTransceivers():
            if transceiver.kind == "video":
                transceiver.setCodecPreferences([
                    entry for entry in RTCRtpSender.getCapabilities("video").codecs
                    if entry.mimeType.lower() in (f"video/{codec}", "video/rtx")])


@pytest.mark.parametrize("offers", [True, False], ids=["aiortc offers", "we offer"])
@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_aiortc_receives(codec, offers):
    async def scenario():
        side = Side()
        channels = [] if offers else ["--channel", "control"]
        with Peer("--video", "send", "--audio", "send", "--codec", codec, "--echo", *channels, *SMALL) as peer:
            try:
                if offers:
                    side.pc.addTransceiver("video", direction="recvonly")
                    side.pc.addTransceiver("audio", direction="recvonly")
                    side.adopt(side.pc.createDataChannel("control"))
                await side.exchange(peer, offers)
                await until(lambda: len(side.frames["video"].sizes) >= 45, "45 frames decoded")
                assert set(side.frames["video"].sizes) == {(640, 352)}
                await until(lambda: len(side.frames["audio"].sizes) >= 50, "a second of sound decoded")
                await until(lambda: side.channels and side.channels[0].readyState == "open", "the channel is open")
                for message in ("hello", b"\x00\x01", bytes(60_000)):
                    side.channels[0].send(message)
                await until(lambda: len(side.messages) == 3, "three echoes")
                assert side.messages == ["hello", b"\x00\x01", bytes(60_000)]
            finally:
                await side.pc.close()

    run_async(scenario())


@pytest.mark.parametrize("offers", [True, False], ids=["aiortc offers", "we offer"])
@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_aiortc_sends(codec, offers):
    async def scenario():
        side = Side()
        with Peer("--video", "recv", "--audio", "recv", "--codec", codec) as peer:
            try:
                side.pc.addTrack(VideoStreamTrack())
                side.pc.addTrack(AudioStreamTrack())
                side.prefer(codec)
                await side.exchange(peer, offers)
                received = await asyncio.to_thread(
                    peer.expect, lambda line: line.startswith("video ") and int(line.split(" ")[1]) >= 45)
                assert "malformed" not in received, received
                sound = await asyncio.to_thread(
                    peer.expect, lambda line: line.startswith("audio ") and int(line.split(" ")[1]) >= 50)
                assert "malformed" not in sound, sound
                keys = int(received.split(" ")[2])
                peer.say("key-frame")
                await asyncio.to_thread(
                    peer.expect, lambda line: line.startswith("video ") and int(line.split(" ")[2]) > keys, 10)
            finally:
                await side.pc.close()

    run_async(scenario())


def test_channels_close_from_both_sides():
    async def scenario():
        side = Side()
        with Peer("--channel", "one", "--channel", "two") as peer:
            try:
                await side.exchange(peer, offers=False)
                await until(lambda: len(side.channels) == 2 and all(one.readyState == "open" for one in side.channels), "both open")
                by_label = {channel.label: channel for channel in side.channels}
                peer.say("close-channel one")
                await until(lambda: by_label["one"].readyState == "closed", "ours closed theirs")
                by_label["two"].close()
                await asyncio.to_thread(peer.expect, "channel closed two")
            finally:
                await side.pc.close()

    run_async(scenario())
