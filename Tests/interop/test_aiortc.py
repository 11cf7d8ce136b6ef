"""aiortc views the source: VP8 and H.264 decoded by FFmpeg, data channels, every SRTP profile, losses."""

import asyncio

import pytest
from aiortc import rtcdtlstransport

from conftest import run_async
from whep_client import Viewer, until

SMALL = ("--size", "640x352", "--bitrate", 600)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_decodes(source, codec):
    server = source("--codec", codec, *SMALL)

    async def scenario():
        viewer = Viewer(video="recvonly", codec=codec)
        try:
            await viewer.connect(server)
            await until(lambda: viewer.frames and len(viewer.frames.sizes) >= 45, "45 frames decoded", 20)
            assert set(viewer.frames.sizes) == {(640, 352)}
            steps = [later - earlier for earlier, later in zip(viewer.frames.times, viewer.frames.times[1:])]
            assert all(step > 0 for step in steps), "times go backwards"
            # 30 pictures a second on a clock of 90 kHz.
            assert 2000 < sorted(steps)[len(steps) // 2] < 4500, steps
        finally:
            await viewer.close()

    run_async(scenario())


@pytest.mark.parametrize("profile", ["SRTP_AES128_CM_SHA1_80", "SRTP_AEAD_AES_128_GCM"])
def test_srtp_profile(source, monkeypatch, profile):
    offered = [entry for entry in rtcdtlstransport.SRTP_PROFILES if entry.openssl_profile.decode() == profile]
    assert offered, [entry.openssl_profile for entry in rtcdtlstransport.SRTP_PROFILES]
    monkeypatch.setattr(rtcdtlstransport, "SRTP_PROFILES", offered)
    server = source("--codec", "vp8", *SMALL)

    async def scenario():
        viewer = Viewer(video="recvonly", codec="vp8")
        try:
            await viewer.connect(server)
            transport = viewer.pc.getTransceivers()[0].receiver.transport
            agreed = transport._ssl.get_selected_srtp_profile()
            assert agreed.decode() == profile
            await until(lambda: viewer.frames and len(viewer.frames.sizes) >= 15, "15 frames decoded")
        finally:
            await viewer.close()

    run_async(scenario())


def test_data_channels_echo(source):
    server = source("--codec", "vp8", *SMALL)
    kinds = [("ordered", {}), ("unordered", {"ordered": False}), ("retransmits", {"ordered": False, "maxRetransmits": 2}),
             ("lifetime", {"maxPacketLifeTime": 2000}), ("protocol", {"protocol": "waldo.test.v1"})]

    async def scenario():
        viewer = Viewer(channels=kinds)
        try:
            got = {label: [] for label, _ in kinds}
            for channel in viewer.channels:
                channel.on("message", got[channel.label].append)
            await viewer.connect(server)
            sent = ["Grüße 🤖", "", b"\x00\x01\xff", bytes(range(256)) * 250]
            for channel in viewer.channels:
                for message in sent:
                    channel.send(message)
            await until(lambda: all(len(messages) == len(sent) for messages in got.values()), f"all echoes (got {got.keys()})")
            for label, messages in got.items():
                assert sorted(map(repr, messages)) == sorted(map(repr, sent)), label
            viewer.channels[0].close()
            await until(lambda: viewer.channels[0].readyState == "closed", "the channel is closed")
        finally:
            await viewer.close()

    run_async(scenario())


def test_lost_packets_come_again(source):
    """One packet in ten is dropped on its way in: NACK and RTX repair the picture, and PLI is the last resort."""
    server = source("--codec", "vp8", *SMALL)

    async def scenario():
        viewer = Viewer(video="recvonly", codec="vp8")
        random = __import__("random").Random(20)
        dropped = 0
        try:
            receiver = viewer.pc.getTransceivers()[0].receiver
            handle = receiver._handle_rtp_packet

            async def lossy(packet, arrival_time_ms):
                nonlocal dropped
                if random.random() < 0.1:
                    dropped += 1
                    return
                await handle(packet, arrival_time_ms=arrival_time_ms)

            receiver._handle_rtp_packet = lossy
            await viewer.connect(server)
            await until(lambda: viewer.frames and len(viewer.frames.sizes) >= 60, "60 frames decoded at 10 % loss", 30)
            figures = server.metrics()
            assert dropped > 0 and figures["waldo_retransmitted_packets_total"] > 0, (dropped, figures)
            assert figures["waldo_retransmitted_packets_total"] < 5 * dropped + 50, "more repairs than losses"
        finally:
            await viewer.close()

    run_async(scenario())


def test_close_is_noticed(source):
    server = source("--codec", "vp8", *SMALL)

    async def scenario():
        viewer = Viewer(video="recvonly", channels=[("data", {})])
        await viewer.connect(server)
        assert server.metrics()["waldo_peers_connected"] == 1
        await viewer.close()
        await until(lambda: server.metrics()["waldo_peers"] == 0, "the peer is forgotten")

    run_async(scenario())


def test_server_end_is_noticed(source):
    server = source("--codec", "vp8", *SMALL)

    async def scenario():
        viewer = Viewer(video="recvonly", channels=[("data", {})])
        await viewer.connect(server)
        assert (await asyncio.to_thread(server.request, "DELETE", viewer.location)).status == 200
        await until(lambda: viewer.pc.connectionState in ("closed", "failed", "disconnected"), "aiortc learns of the end")
        await viewer.close()

    run_async(scenario())
