"""Our full-ICE peer with browsers: offering and answering, sending and receiving."""

import re
import time

import pytest

from conftest import wait_until
from peer import Peer
from test_firefox import FirefoxViewer

SMALL = ("--size", "1024x256", "--bitrate", "600")


def frames_received(peer):
    """A function that waits until our side has received so many video frames, and answers its report."""
    def enough(count):
        return lambda line: line.startswith("video ") and int(line.split(" ")[1]) >= count
    return lambda count, timeout=20: peer.expect(enough(count), timeout)


def check_video_and_sound(page, peer, codec):
    page.run("() => viewer.connected()")
    peer.expect("state connected")
    page.wait_for_frames(30)
    figures = page.video()
    assert figures["codec"].lower() == f"video/{codec}", figures
    assert (figures["width"], figures["height"]) == (1024, 256), figures
    assert all(0 <= delay < 2000 for delay in figures["delays"]), figures["delays"]
    # A tone has energy; loss that is concealed has not.
    wait_until(lambda: page.run("() => viewer.energy()")["energy"] > 0.001, "the tone is heard")


def check_echo(page, peer):
    peer.expect("channel open control")
    wait_until(lambda: page.run("() => viewer.channels.length") == 1, "the channel is there")
    page.run("() => viewer.opened(viewer.channels[0])")
    assert page.run("() => viewer.echo(viewer.channels[0], 'hello')") == "hello"
    assert page.run("() => viewer.bytesComeBack(viewer.channels[0], 262144)") == "same"
    page.run("""() => { viewer.got = []; viewer.channels[0].onmessage = event => viewer.got.push(event.data.byteLength ?? event.data); }""")
    peer.say("send control from waldo")
    peer.say("send-bytes control 100000")
    wait_until(lambda: page.run("() => viewer.got") == ["from waldo", 100_000], "both messages came")


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_chromium_answers_our_offer(viewer, codec):
    page = viewer()
    page.run("() => viewer.start()")
    with Peer("--video", "send", "--audio", "send", "--codec", codec, "--channel", "control", "--echo", *SMALL) as peer:
        peer.accept(page.run("sdp => viewer.answer(sdp)", peer.offer()))
        check_video_and_sound(page, peer, codec)
        check_echo(page, peer)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_chromium_offers(viewer, codec):
    page = viewer()
    page.run("""() => { viewer.start(); viewer.pc.addTransceiver('video', { direction: 'recvonly' });
        viewer.pc.addTransceiver('audio', { direction: 'recvonly' });
        const channel = viewer.pc.createDataChannel('control'); channel.binaryType = 'arraybuffer'; viewer.channels.push(channel); }""")
    with Peer("--video", "send", "--audio", "send", "--codec", codec, "--echo", *SMALL) as peer:
        page.run("sdp => viewer.accept(sdp)", peer.answer(page.run("() => viewer.offer()")))
        check_video_and_sound(page, peer, codec)
        check_echo(page, peer)


@pytest.mark.parametrize("who", ["chromium offers", "we offer"])
@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_chromium_sends_its_camera(viewer, codec, who):
    page = viewer()
    page.run("() => viewer.start()")
    camera = """async codec => viewer.send(await navigator.mediaDevices.getUserMedia({ audio: true,
        video: { width: 640, height: 480, frameRate: 30 } }), codec)"""
    with Peer("--video", "recv", "--audio", "recv", "--codec", codec) as peer:
        if who == "chromium offers":
            page.run(camera, codec)
            page.run("sdp => viewer.accept(sdp)", peer.answer(page.run("() => viewer.offer()")))
        else:
            page.run("sdp => viewer.pc.setRemoteDescription({ type: 'offer', sdp })", peer.offer())
            page.run(camera, codec)
            peer.accept(page.run("async () => { await viewer.pc.setLocalDescription(); return viewer.complete(); }"))
        peer.expect("state connected")
        received = frames_received(peer)(60)
        assert "malformed" not in received, received
        assert re.search(r" \d+x\d+", received), received
        sound = peer.expect(lambda line: line.startswith("audio ") and int(line.split(" ")[1]) >= 50)
        assert "malformed" not in sound, sound
        keys = int(received.split(" ")[2])
        peer.say("key-frame")
        peer.expect(lambda line: line.startswith("video ") and int(line.split(" ")[2]) > keys, 10)


def test_both_sides_send(viewer):
    page = viewer()
    page.run("() => viewer.start()")
    page.run("""async () => { const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 }, audio: true });
        for (const track of stream.getTracks()) viewer.pc.addTrack(track, stream); }""")
    with Peer("--video", "both", "--audio", "both", "--codec", "vp8", *SMALL) as peer:
        page.run("sdp => viewer.accept(sdp)", peer.answer(page.run("() => viewer.offer()")))
        check_video_and_sound(page, peer, "vp8")
        frames_received(peer)(30)


@pytest.mark.parametrize("who", ["chromium", "we"])
def test_restart_by_either_side_while_video_runs(viewer, who):
    page = viewer()
    page.run("() => viewer.start()")
    with Peer("--video", "send", "--channel", "control", "--echo", "--codec", "h264", *SMALL) as peer:
        peer.accept(page.run("sdp => viewer.answer(sdp)", peer.offer()))
        page.run("() => viewer.connected()")
        page.wait_for_frames(15)
        before = page.run("() => viewer.transport()")["localUfrag"]
        start = page.video()["now"]
        if who == "we":
            peer.accept(page.run("sdp => viewer.answer(sdp)", peer.offer(restart=True)))
        else:
            page.run("sdp => viewer.accept(sdp)", peer.answer(page.run("() => viewer.offer({ iceRestart: true })")))
        wait_until(lambda: page.run("() => viewer.transport()")["localUfrag"] != before, "the new credentials are in use")
        page.wait_for_frames(60)
        assert page.run("from => viewer.videoFigures(from)", start)["gap"] < 1000
        page.run("() => viewer.opened(viewer.channels[0])")
        assert page.run("() => viewer.echo(viewer.channels[0], 'after')") == "after"


NEGOTIATED = {"ordered": (0, {}), "unordered": (7, {"ordered": False}), "high": (255, {})}


@pytest.mark.parametrize("who", ["chromium offers", "we offer"])
def test_channels_negotiated_by_number(viewer, who):
    """RFC 8831 clause 6.4: both sides open the same stream, and no DCEP is spoken; beside them channels opened in band by either side."""
    page = viewer()
    page.run("""channels => { viewer.start(); viewer.pc.createDataChannel('in band');
        viewer.fixed = Object.entries(channels).map(([label, [id, options]]) => {
          const channel = viewer.pc.createDataChannel(label, { negotiated: true, id, ...options });
          channel.binaryType = 'arraybuffer';
          return channel;
        }); }""", NEGOTIATED)
    options = [word for label, (number, _) in NEGOTIATED.items() for word in ("--channel", f"{label},{number}")]
    with Peer(*options, "--channel", "ours in band", "--echo") as peer:
        if who == "we offer":
            peer.accept(page.run("sdp => viewer.answer(sdp)", peer.offer()))
        else:
            page.run("sdp => viewer.accept(sdp)", peer.answer(page.run("() => viewer.offer()")))
        page.run("() => viewer.connected()")
        for label in (*NEGOTIATED, "in band", "ours in band"):
            peer.expect(f"channel open {label}")
        for at, (label, (number, _)) in enumerate(NEGOTIATED.items()):
            page.run("at => viewer.opened(viewer.fixed[at])", at)
            assert page.run("at => viewer.fixed[at].id", at) == number
            assert page.run("at => viewer.echo(viewer.fixed[at], 'hello')", at) == "hello"
            assert page.run("at => viewer.bytesComeBack(viewer.fixed[at], 100000)", at) == "same"
            page.run("at => { viewer.fixed[at].onmessage = event => { viewer.got = event.data; }; }", at)
            peer.say(f"send {label} to {label}")
            wait_until(lambda: page.run("() => viewer.got") == f"to {label}", f"our message on {label}")
        # Only the channel that we opened in band was announced.
        assert page.run("() => viewer.channels.map(channel => channel.label)") == ["ours in band"]
        page.run("() => viewer.fixed[1].close()")
        peer.expect("channel closed unordered")
        peer.say("close-channel high")
        page.run("() => viewer.closed(viewer.fixed[2])")
        assert page.run("() => viewer.echo(viewer.fixed[0], 'still')") == "still"


@pytest.fixture
def firefox_page(firefox, near_page):
    page = FirefoxViewer(firefox, url=near_page)
    page.run("() => viewer.start()")
    return page


def test_firefox_answers_our_offer(firefox_page, network):
    page = firefox_page
    with Peer("--bind", network.near, "--video", "send", "--audio", "send", "--codec", "vp8", "--channel", "control", "--echo", *SMALL) as peer:
        peer.accept(page.run("sdp => viewer.answer(sdp)", peer.offer()))
        check_video_and_sound(page, peer, "vp8")
        check_echo(page, peer)


def test_firefox_sends_video(firefox_page, network):
    page = firefox_page
    page.run("() => viewer.send(viewer.drawing())")
    with Peer("--bind", network.near, "--video", "recv") as peer:
        page.run("sdp => viewer.accept(sdp)", peer.answer(page.run("() => viewer.offer()")))
        peer.expect("state connected")
        received = frames_received(peer)(60)
        assert "malformed" not in received, received
