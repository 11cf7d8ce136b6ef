"""Chromium plays the source: picture, size, time code, delay."""

import os
import re
import signal
import time

import pytest

from conftest import Viewer, launch_chromium, wait_until

SMALL = ("--size", "1024x256", "--bitrate", 600)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_plays(source, viewer, codec):
    server = source("--codec", codec, "--size", "1280x720")
    page = viewer(server)
    page.connect()
    page.wait_for_frames(15)
    start = page.video()["now"]
    time.sleep(2)
    figures = page.run("from => viewer.videoFigures(from)", start)
    assert figures["codec"].lower() == f"video/{codec}", figures
    assert (figures["width"], figures["height"]) == (1280, 720), figures
    assert figures["shown"] >= 20, figures
    assert figures["gap"] < 1000, figures
    assert all(0 <= delay < 2000 for delay in figures["delays"]), figures["delays"]
    transport = page.run("() => viewer.transport()")
    assert transport["srtp"] == "AEAD_AES_128_GCM" or transport["srtp"] == "SRTP_AEAD_AES_128_GCM", transport
    assert not page.errors


def test_sound_that_is_offered_gets_an_answer(source, viewer):
    page = viewer(source(*SMALL))
    answer = page.connect(audio=True, channels=[{"label": "data"}])
    # As many sections as were offered, in their order (RFC 3264 §6); the source has no sound to send.
    assert re.findall(r"^m=(\w+)", answer, re.M) == ["video", "audio", "application"]
    sound = answer[answer.index("m=audio"):answer.index("m=application")]
    assert sound.startswith("m=audio 0 ") or "a=inactive" in sound, answer
    page.wait_for_frames(5)


def test_reconnects(source, viewer):
    server = source(*SMALL)
    page = viewer(server)
    for _ in range(3):
        page.connect(channels=[{"label": "data"}])
        page.run("() => { viewer.times.length = 0; }")
        page.wait_for_frames(5)
        page.run("async () => { viewer.pc.close(); await fetch(viewer.location, { method: 'DELETE' }); }")
    wait_until(lambda: server.metrics()["waldo_peers"] == 0, "all peers forgotten")


def test_renegotiation_adds_channels_and_sections_while_video_runs(source, viewer):
    server = source(*SMALL)
    page = viewer(server)
    page.connect()
    page.wait_for_frames(5)
    start = page.video()["now"]
    page.run("() => { const channel = viewer.pc.createDataChannel('added'); channel.binaryType = 'arraybuffer'; viewer.channels.push(channel); }")
    page.run("() => viewer.renegotiate()")
    page.run("() => viewer.opened(viewer.channels[0])")
    assert page.run("() => viewer.echo(viewer.channels[0], 'added')") == "added"
    page.run("() => { viewer.pc.addTransceiver('audio', { direction: 'recvonly' }); return viewer.renegotiate(); }")
    page.wait_for_frames(15)
    assert page.run("() => viewer.echo(viewer.channels[0], 'still')") == "still"
    assert page.run("from => viewer.videoFigures(from)", start)["gap"] < 1000
    assert page.state() == "connected"


def test_paused_video_resumes(source, viewer):
    page = viewer(source(*SMALL))
    page.connect()
    page.wait_for_frames(5)
    page.run("() => { viewer.pc.getTransceivers()[0].direction = 'inactive'; return viewer.renegotiate(); }")
    time.sleep(0.5)
    before = page.video()
    time.sleep(1)
    assert page.video()["decoded"] - before["decoded"] <= 2, "video came while the section was inactive"
    page.run("() => { viewer.pc.getTransceivers()[0].direction = 'recvonly'; return viewer.renegotiate(); }")
    page.wait_for_frames(15)


def test_a_stopped_section_leaves_the_rest_alone(source, viewer):
    server = source(*SMALL)
    page = viewer(server)
    page.connect(audio=True, channels=[{"label": "data"}])
    page.wait_for_frames(5)
    start = page.video()["now"]
    answer = page.run("() => { viewer.pc.getTransceivers()[1].stop(); return viewer.renegotiate(); }")
    assert "m=audio 0 " in answer, answer
    # A new section takes the place of the stopped one (RFC 8829 §5.2.2).
    answer = page.run("() => { viewer.pc.addTransceiver('audio', { direction: 'recvonly' }); return viewer.renegotiate(); }")
    assert len(re.findall("^m=audio", answer, re.M)) == 1, answer
    assert page.run("() => viewer.echo(viewer.channels[0], 'still')") == "still"
    page.wait_for_frames(15)
    assert page.run("from => viewer.videoFigures(from)", start)["gap"] < 1000
    assert page.state() == "connected"


def test_the_section_that_carries_the_transport_is_stopped(source, viewer):
    """Chromium then closes its DTLS association and begins another, on new ports, under the old credentials and certificate (RFC 8842 §5)."""
    server = source(*SMALL)
    page = viewer(server)
    page.connect(audioFirst=True, channels=[{"label": "data"}])
    page.wait_for_frames(5)
    assert page.run("() => viewer.echo(viewer.channels[0], 'before')") == "before"
    port, start = page.run("() => viewer.transport()")["local"]["port"], page.video()["now"]
    answer = page.run("() => { viewer.pc.getTransceivers()[0].stop(); return viewer.renegotiate(); }")
    assert "m=audio 0 " in answer, answer
    page.wait_for_frames(30)
    assert page.run("() => viewer.transport()")["local"]["port"] != port
    assert page.run("() => viewer.echo(viewer.channels[0], 'still')") == "still"
    # A new section in the first place becomes the carrier.
    answer = page.run("() => { viewer.pc.addTransceiver('audio', { direction: 'recvonly' }); return viewer.renegotiate(); }")
    assert len(re.findall("^m=audio", answer, re.M)) == 1 and "m=audio 0 " not in answer, answer
    page.wait_for_frames(30)
    assert page.run("() => viewer.echo(viewer.channels[0], 'to the end')") == "to the end"
    assert page.run("from => viewer.videoFigures(from)", start)["gap"] < 1000
    assert page.state() == "connected"
    assert server.metrics()["waldo_peers"] == 1


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_ice_restart_while_video_runs(source, viewer, codec):
    server = source("--codec", codec, *SMALL)
    page = viewer(server)
    first = page.connect(channels=[{"label": "data"}])
    page.wait_for_frames(15)
    for _ in range(2):
        before = page.run("() => viewer.transport()")["localUfrag"]
        start = page.video()["now"]
        page.run("() => viewer.pc.restartIce()")
        answer = page.run("() => viewer.renegotiate()")
        fragment = lambda text: re.search(r"a=ice-ufrag:(\S+)", text).group(1)
        assert fragment(answer) != fragment(first), "the answer to a restart must carry new credentials (RFC 8839 §4.4.3.1.1)"
        first = answer
        # The old path goes on until a pair of the new credentials is selected. Chromium's new port may have met our address before our
        # answer came; it then keeps our old fragment for that pair, so what counts is its own, and that media comes along that pair.
        wait_until(
            lambda: (used := page.run("() => viewer.transport()"))["localUfrag"] != before and used["received"] > 0,
            "video comes along a pair of the new credentials")
        page.wait_for_frames(30)
        assert page.run("from => viewer.videoFigures(from)", start)["gap"] < 1000
        assert page.run("() => viewer.echo(viewer.channels[0], 'after')") == "after"
    assert server.metrics()["waldo_peers"] == 1


def test_many_viewers_share_one_encode(source, viewer):
    server = source(*SMALL, "--rate", "15")
    pages = [viewer(server) for _ in range(3)]
    for page in pages:
        page.connect()
    for page in pages:
        page.wait_for_frames(5)
    assert server.metrics()["waldo_viewers"] == 3
    before, start = server.metrics()["waldo_frames_encoded_total"], time.monotonic()
    for page in pages:
        page.wait_for_frames(15)
    encoded = server.metrics()["waldo_frames_encoded_total"] - before
    assert encoded <= 15 * (time.monotonic() - start) * 1.2 + 3, "the video is encoded more than once"


def test_late_joiner_sees_a_picture_soon(source, viewer):
    server = source(*SMALL)
    early = viewer(server)
    early.connect()
    early.wait_for_frames(30)
    late = viewer(server)
    late.connect()
    late.wait_for_frames(1)
    delay = late.run("() => viewer.times[0] - viewer.answered")
    assert delay < 3000, f"the first picture came {delay:.0f} ms after the answer"


def test_a_killed_viewer_is_forgotten(source, playwright, viewer):
    server = source(*SMALL)
    stayer = viewer(server)
    stayer.connect()
    browser = launch_chromium(playwright)
    try:
        Viewer(browser.new_page(), server).connect()
        wait_until(lambda: server.metrics()["waldo_peers_connected"] == 2, "both viewers connected")
        start = time.monotonic()
        kill_browser(browser)
        wait_until(lambda: server.metrics()["waldo_peers"] == 1, "the killed viewer is forgotten", timeout=50, interval=0.5)
        print(f"forgotten after {time.monotonic() - start:.1f} s")
        stayer.wait_for_frames(10)
    finally:
        try:
            browser.close()
        except Exception:
            pass


def kill_browser(browser):
    """SIGKILL to all processes of this browser, so that none can say goodbye."""
    session = browser.new_browser_cdp_session()
    processes = [int(process["id"]) for process in session.send("SystemInfo.getProcessInfo")["processInfo"]]
    for process in processes:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            pass


@pytest.mark.parametrize("width, height", [(1280, 800), (390, 844)])
def test_the_page_fits_the_window_and_shows_figures(source, chromium, width, height):
    server = source()
    page = chromium.new_page(viewport={"width": width, "height": height})
    try:
        page.goto(server.url + "/")
        wait_until(lambda: page.inner_text("#state") == "connected", "the page says that it is connected")
        wait_until(lambda: all(page.inner_text(f"#{name}") != "–" for name in ("delay", "fps", "bitrate", "lost", "rtt")), "all figures")
        size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
        assert size[0] <= width and size[1] <= height, size
        assert page.inner_text("#error") == ""
        page.click("#again")
        # The page may still show the first connection's state.
        wait_until(lambda: server.log.count("a viewer is connected") == 2, "connected again")
        wait_until(lambda: page.inner_text("#state") == "connected", "the page says so")
    finally:
        page.close()
    # At once where the browser says goodbye, else when its consent has expired (RFC 7675 clause 5.1: 30 s).
    wait_until(lambda: server.metrics()["waldo_peers"] == 0, "a page that is closed ends its session", timeout=45)
