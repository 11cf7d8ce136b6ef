"""Clients of `waldo up` that come in other ways than ours: channels opened twice or under another name, one signalling socket for several sessions."""

import asyncio
import json

import pytest
import websockets
from aiortc import RTCPeerConnection, RTCSessionDescription

from conftest import run_async
from station import SMALL, Operator, station  # noqa: F401


async def another(ada, label):
    """One more channel of a session."""
    opened, channel = asyncio.Event(), ada.pc.createDataChannel(label)
    channel.on("open", opened.set)
    channel.on("message", ada._take)
    await asyncio.wait_for(opened.wait(), 15)
    # The answer to what comes later on it shows that the station knows it by now.
    ada.say({"type": "fly"}, channel)
    await ada.until(lambda: ada.errors, "the new channel is heard, or complained about")
    return channel


@pytest.mark.parametrize("label", ["control", "state"])
def test_a_channel_opened_twice_is_heard_on_both(station, label):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            older = ada.control if label == "control" else ada.state
            await another(ada, label)
            ada.say({"type": "estop"}, older)
            await ada.until(lambda: ada.safety["latched"], "an emergency stop on the older one latches")

    run_async(play())


@pytest.mark.parametrize("which", ["older", "newer"])
def test_the_end_of_either_of_two_channels_stops_what_it_drives(station, which):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            older, newer = ada.control, await another(ada, "control")
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves")
            (older if which == "older" else newer).close()
            await ada.until(lambda: any(event["type"] == "stop" for event in ada.events), "the stop is told")
            assert ada.events[-1]["reason"] == "link_lost", ada.events

    run_async(play())


def test_what_comes_on_another_channel_is_told_to_be_lost(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            other = await another(ada, "Control")
            ada.errors.clear()
            ada.say({"type": "estop"}, other)
            await ada.until(lambda: ada.errors, "its message is complained about")
            assert "control" in ada.errors[0] and not ada.safety["latched"], ada.errors

    run_async(play())


def test_a_signalling_socket_takes_another_offer_after_the_sessions_end(station):
    here = station(*SMALL)

    async def session(socket):
        connection, welcomed = RTCPeerConnection(), asyncio.Event()
        channel = connection.createDataChannel("state")
        channel.on("message", lambda _: welcomed.set())
        await connection.setLocalDescription(await connection.createOffer())
        await socket.send(json.dumps({"type": "offer", "sdp": connection.localDescription.sdp}))
        answer = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert answer["type"] == "answer", answer
        await connection.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))
        await asyncio.wait_for(welcomed.wait(), 15)
        return connection, answer["session"]

    async def play():
        async with websockets.connect(here.url.replace("http", "ws") + "/api/signal") as socket:
            connection, first = await session(socket)
            await connection.close()
            while (await asyncio.to_thread(here.json, "/api/robots"))["robots"][0]["viewers"]:
                await asyncio.sleep(0.05)
            connection, second = await session(socket)
            assert second != first
            await connection.close()

    run_async(play())
