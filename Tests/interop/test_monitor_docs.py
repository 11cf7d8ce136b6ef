"""What docs/usage-monitor.md shows, run as it stands there; the unit file, read by systemd."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

from conftest import ROOT, wait_until
from monitor import Publisher, monitor, room  # noqa: F401

TEXT = (ROOT / "docs" / "usage-monitor.md").read_text()


def example(language, part):
    """The one example in this language which holds this text."""
    [found] = [text for text in re.findall(rf"```{language}\n(.*?)```", TEXT, re.S) if part in text]
    return found


def test_the_reader(monitor, room, tmp_path):
    program = tmp_path / "reader.py"
    program.write_text(example("python", "read_state"))
    read = lambda name: json.loads(subprocess.run([sys.executable, program, name], capture_output=True, text=True, check=True, timeout=20).stdout)
    assert read("nobody_here") is None
    here = monitor()
    with Publisher(room, 5555):
        here.client().wait("teleoperation_started")
        state, written = wait_until(lambda: (found := read(here.namespace)) and found[0]["is_active"] and found, "it reads that")
    assert state["operators"] == ["ada"] and written > 1_600_000_000_000


def test_the_plugin(monitor, tmp_path):
    program = tmp_path / "gaze.py"
    program.write_text(example("python", "hello"))
    here = monitor("--plugin", f"gaze=exec {sys.executable} {program}")
    _, state = here.client().wait_state(lambda state: state["teleoperation_active"])
    assert state["operators"] == ["ada"] and state["reasons"] == ["gaze: 85% confidence"]
    # It says its metric behind the detection.
    wait_until(lambda: 'name="gaze_quality",eye="left"} 0.9' in here.request("/metrics", {"Accept": "text/plain"}).text, "its metric")


def test_the_file(monitor):
    here = monitor(config=json.loads(example("json", "confidence_threshold")))
    assert here.json("/health")["status"] == "healthy"


def test_the_unit(binary, tmp_path):
    text = (ROOT / "deploy" / "waldo-monitor.service").read_text()
    program = pathlib.Path(binary).with_name("waldo-monitor")
    assert "ExecStart=/usr/local/bin/waldo-monitor\n" in text
    rights = "CAP_NET_RAW CAP_DAC_READ_SEARCH CAP_SYS_PTRACE\n"
    assert f"AmbientCapabilities={rights}" in text and f"CapabilityBoundingSet={rights}" in text
    checker = shutil.which("systemd-analyze")
    if not checker:  # containers have no systemd
        return
    (tmp_path / "waldo-monitor.service").write_text(text.replace("/usr/local/bin/waldo-monitor", str(program)))
    done = subprocess.run([checker, "verify", tmp_path / "waldo-monitor.service"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "waldo-monitor.service" not in done.stderr, done.stderr
