"""ICE over TCP with Chromium, as behind a firewall that passes no UDP: the page takes only our passive TCP candidates (RFC 6544)."""

import re
import time

import pytest


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_video_and_channels_over_tcp(source, viewer, codec):
    page = viewer(source("--codec", codec, "--size", "1280x720"))
    page.run("() => { viewer.takes = / tcp .* typ host tcptype passive/i; }")
    answer = page.connect(channels=[{"label": "data"}])
    assert re.search(r"^a=candidate:\S+ 1 tcp \d+ \S+ \d+ typ host tcptype passive", answer, re.M | re.I), answer
    page.wait_for_frames(15)
    start = page.video()["now"]
    for _ in range(4):
        assert page.run("() => viewer.bytesComeBack(viewer.channels[0], 262144)") == "same"
    time.sleep(2)
    figures = page.run("from => viewer.videoFigures(from)", start)
    assert figures["shown"] >= 20, figures
    assert figures["gap"] < 1000, figures
    assert all(0 <= delay < 2000 for delay in figures["delays"]), figures["delays"]
    # A stream loses nothing.
    assert figures["lost"] == 0, figures
    transport = page.run("() => viewer.transport()")
    assert transport["local"]["protocol"] == transport["remote"]["protocol"] == "tcp", transport
    assert not page.errors
