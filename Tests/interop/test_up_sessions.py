"""Clients of `waldo up` that come in other ways than ours: channels opened twice or under another name, one signalling socket for several sessions."""

import asyncio
import json
import re

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
            await ada.until(lambda: any(event["type"] == "stop" and event["reason"] == "link_lost" for event in ada.events), "the stop is told")

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


# A WHEP client whose address has changed sends its new credentials alone, and puts those it gets into the answer that it has.
RESTART = """async () => {
    const value = (name, text) => text.match(new RegExp(`a=${name}:(\\\\S+)`))[1];
    const until = async condition => { while (!await condition()) await new Promise(resolve => setTimeout(resolve, 50)); };
    const pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    pc.addTransceiver('video', { direction: 'recvonly' });
    const channel = pc.createDataChannel('state');
    let heard = 0;
    channel.onmessage = () => heard++;
    await pc.setLocalDescription();
    const created = await fetch('/whep/rover',
        { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription.sdp });
    let answer = await created.text();
    await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    await until(() => heard > 0);
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
    const ours = pc.localDescription.sdp;
    const restarted = await fetch(created.headers.get('Location'),
        { method: 'PATCH', headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' },
          body: `a=ice-ufrag:${value('ice-ufrag', ours)}\r\na=ice-pwd:${value('ice-pwd', ours)}\r\n` });
    const fragment = await restarted.text();
    for (const name of ['ice-ufrag', 'ice-pwd']) answer = answer.replace(new RegExp(`a=${name}:\\\\S+`, 'g'), `a=${name}:${value(name, fragment)}`);
    await pc.setRemoteDescription({ type: 'answer', sdp: answer });
    let transport;
    await until(async () => {
        transport = [...(await pc.getStats()).values()].find(each => each.type === 'transport');
        return transport.iceLocalUsernameFragment === value('ice-ufrag', ours) && transport.iceState === 'connected';
    });
    const before = heard;
    await until(() => heard > before + 10);
    pc.close();
    return restarted.status; }"""


def test_a_browser_restarts_ice_by_its_credentials_alone(station, chromium):
    here = station(*SMALL)
    page = chromium.new_page()
    page.goto(here.url.replace("127.0.0.1", "localhost") + "/api/health")
    assert page.evaluate(RESTART) == 200
    page.close()


def test_other_credentials_in_a_fragment_restart_ice(station):
    """The answers by RFC 9725 clause 4.3.3, to a client that does not go on to the new path."""
    here = station(*SMALL)
    fragment = "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm=application 9 UDP/DTLS/SCTP 0\r\na=mid:0\r\na=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n"

    async def play():
        async with Operator(here) as ada:
            async def patch(text, kind="application/trickle-ice-sdpfrag"):
                return await asyncio.to_thread(here.request, "PATCH", ada.location, text, {"Content-Type": kind})

            def attribute(name, text):
                return re.search(f"a={name}:(\\S+)", text)[1]

            ours = ada.pc.localDescription.sdp
            same = fragment.format(attribute("ice-ufrag", ours), attribute("ice-pwd", ours))
            assert (await patch(same)).status == 204
            assert (await patch("nonsense")).status == 400
            restarted = await patch(fragment.format("fresh", "n" * 24), "Application/Trickle-ICE-SDPfrag; charset=utf-8")
            assert restarted.status == 200 and restarted.headers["Content-Type"] == "application/trickle-ice-sdpfrag"
            text = restarted.text.decode()
            before = ada.pc.remoteDescription.sdp
            assert attribute("ice-ufrag", text) != attribute("ice-ufrag", before), "credentials of its own are new, too"
            assert "a=candidate:" in text and "a=ice-lite" in text, text
            # Until the client is heard on the new path the old one carries on.
            ada.say({"type": "estop"}, ada.control)
            await ada.until(lambda: ada.safety["latched"], "the session goes on")

    run_async(play())


def test_a_picture_may_be_asked_for_later(station):
    """Channels first, then a new offer with a picture and sound: a program that looks only when it drives."""
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            kinds = {}

            @ada.pc.on("track")
            def heard(track):
                kinds[track.kind] = asyncio.ensure_future(track.recv())

            ada.pc.addTransceiver("video", direction="recvonly")
            ada.pc.addTransceiver("audio", direction="recvonly")
            await ada.pc.setLocalDescription(await ada.pc.createOffer())
            answer = await asyncio.to_thread(
                here.request, "PATCH", ada.location, ada.pc.localDescription.sdp, {"Content-Type": "application/sdp"})
            assert answer.status == 200, answer
            await ada.pc.setRemoteDescription(RTCSessionDescription(answer.text.decode(), "answer"))
            await ada.until(lambda: len(kinds) == 2, "both tracks are there")
            for frame in kinds.values():
                await asyncio.wait_for(frame, 20)

    run_async(play())
