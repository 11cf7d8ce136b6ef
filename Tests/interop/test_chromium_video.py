"""Chromium plays the source: picture, size, time code, delay."""

import re
import time

import pytest

from conftest import wait_until

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
