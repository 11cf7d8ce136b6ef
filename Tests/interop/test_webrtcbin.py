"""GStreamer's webrtcbin views the source."""

import subprocess
import sys

import pytest

from conftest import HERE


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_decodes(source, codec):
    server = source("--codec", codec, "--size", "640x352", "--bitrate", 600)
    command = [sys.executable, str(HERE / "gst_viewer.py"), server.url + "/whep", codec, "45"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=40)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "640x352" in done.stdout, done.stdout
