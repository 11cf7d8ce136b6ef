"""Firefox in a network namespace: it does not talk to loopback addresses."""

import re
import time

import pytest

from conftest import VIEWER_SCRIPT, Page
from marionette import MarionetteError

SMALL = ("--size", "1024x256", "--bitrate", 600)


class FirefoxViewer(Page):
    """The page with viewer.js on the server's own origin."""

    def __init__(self, firefox, server=None, url=None):
        self.firefox, self.server = firefox, server
        firefox.open(url or server.url + "/metrics")
        firefox.run("source => { const script = document.createElement('script'); script.textContent = source;"
                    " document.documentElement.append(script); }", VIEWER_SCRIPT)

    def run(self, script, argument=None):
        return self.firefox.run(script, argument)


@pytest.fixture
def far_source(source, network):
    """A source that listens on the address which Firefox's namespace reaches."""
    def start(*options):
        return source("--bind", network.near, "--advertise", network.near, *options, address=network.near)
    return start


def test_plays_vp8(far_source, firefox):
    page = FirefoxViewer(firefox, far_source("--codec", "vp8", "--size", "1280x720"))
    page.connect()
    page.wait_for_frames(15)
    start = page.video()["now"]
    time.sleep(2)
    figures = page.run("from => viewer.videoFigures(from)", start)
    assert (figures["width"], figures["height"]) == (1280, 720), figures
    assert figures["codec"].lower() == "video/vp8", figures
    assert figures["shown"] >= 20 and figures["gap"] < 1000, figures
    assert all(0 <= delay < 2000 for delay in figures["delays"]), figures["delays"]


def test_data_channels_echo(far_source, firefox):
    page = FirefoxViewer(firefox, far_source("--codec", "vp8", *SMALL))
    kinds = {"ordered": {}, "unordered": {"ordered": False}, "retransmits": {"ordered": False, "maxRetransmits": 3},
             "lifetime": {"maxPacketLifeTime": 2000}, "protocol": {"protocol": "waldo.test.v1"}}
    page.connect(channels=[{"label": label, **options} for label, options in kinds.items()])
    results = page.run("""async () => {
        const results = {};
        for (const channel of viewer.channels) results[channel.label] = [await viewer.echo(channel, 'Grüße 🤖'), await viewer.echo(channel, ''),
          await viewer.bytesComeBack(channel, 0), await viewer.bytesComeBack(channel, 1200), await viewer.bytesComeBack(channel, 70000)];
        return results; }""")
    assert results == {label: ["Grüße 🤖", "", "same", "same", "same"] for label in kinds}
    assert page.run("() => viewer.bytesComeBack(viewer.channels[0], 262144)") == "same"
    page.run("() => { const done = viewer.closed(viewer.channels[0]); viewer.channels[0].close(); return done; }")
    page.wait_for_frames(5)


def test_the_section_that_carries_the_transport_is_stopped(far_source, firefox):
    page = FirefoxViewer(firefox, far_source("--codec", "vp8", *SMALL))
    page.connect(audioFirst=True, channels=[{"label": "data"}])
    page.wait_for_frames(15)
    answer = page.run("() => { viewer.pc.getTransceivers()[0].stop(); return viewer.renegotiate(); }")
    assert "m=audio 0 " in answer, answer
    page.wait_for_frames(30)
    assert page.run("() => viewer.echo(viewer.channels[0], 'still')") == "still"
    answer = page.run("() => { viewer.pc.addTransceiver('audio', { direction: 'recvonly' }); return viewer.renegotiate(); }")
    page.wait_for_frames(30)
    assert page.run("() => viewer.echo(viewer.channels[0], 'to the end')") == "to the end"


def test_ice_restart_while_video_runs(far_source, firefox):
    page = FirefoxViewer(firefox, far_source("--codec", "vp8", *SMALL))
    first = page.connect(channels=[{"label": "data"}])
    page.wait_for_frames(15)
    start = page.video()["now"]
    answer = page.run("async () => { await viewer.pc.setLocalDescription(await viewer.pc.createOffer({ iceRestart: true }));"
                      " return viewer.exchange({ change: true }); }")
    fragment = lambda text: re.search(r"a=ice-ufrag:(\S+)", text).group(1)
    assert fragment(answer) != fragment(first)
    page.wait_for_frames(60)
    assert page.run("from => viewer.videoFigures(from)", start)["gap"] < 1500
    assert page.run("() => viewer.echo(viewer.channels[0], 'after')") == "after"


def test_renegotiation_adds_a_channel(far_source, firefox):
    page = FirefoxViewer(firefox, far_source("--codec", "vp8", *SMALL))
    page.connect()
    page.wait_for_frames(5)
    page.run("""async () => { const channel = viewer.pc.createDataChannel('added'); channel.binaryType = 'arraybuffer';
        viewer.channels.push(channel); await viewer.renegotiate(); await viewer.opened(channel); }""")
    assert page.run("() => viewer.echo(viewer.channels[0], 'added')") == "added"
    page.wait_for_frames(10)


def test_server_end_is_noticed(far_source, firefox):
    server = far_source("--codec", "vp8", *SMALL)
    page = FirefoxViewer(firefox, server)
    page.connect(channels=[{"label": "data"}])
    assert server.request("DELETE", page.run("() => viewer.location")).status == 200
    page.run("() => viewer.closed(viewer.channels[0])")


def test_a_source_of_h264_only_says_so(far_source, firefox):
    server = far_source("--codec", "h264", *SMALL)
    page = FirefoxViewer(firefox, server)
    with pytest.raises(MarionetteError, match="422: .*--codec vp8"):
        page.connect()
    # With a data channel there is something to connect for.
    answer = page.connect(channels=[{"label": "data"}])
    assert "m=video 0 " in answer
    assert page.run("() => viewer.echo(viewer.channels[0], 'data only')") == "data only"
