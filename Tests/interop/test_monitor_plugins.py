"""Plug-ins of `waldo-monitor`: programs in Python that speak lines of JSON, that crash, that say nonsense, that do not end."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from conftest import wait_until
from monitor import Publisher, monitor, room  # noqa: F401

# What every plug-in here begins with.
HEAD = """
import json, os, sys, time
def say(**line):
    print(json.dumps(line), flush=True)
def hear():
    line = sys.stdin.readline()
    if not line:
        sys.exit()
    return json.loads(line)
def wait_for_go():
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)
"""


@pytest.fixture
def plugin(tmp_path):
    """The configuration of a plug-in with this text, which may wait for `go`."""
    def make(name, text, env=None, **more):
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + text)
        return {"name": name, "exec": [sys.executable, str(path)], "env": {"GO": str(tmp_path / "go"), **(env or {})}, **more}
    return make


@pytest.fixture
def go(tmp_path):
    """A client that comes later than a plug-in speaks is told nothing of what it has said."""
    return (tmp_path / "go").touch


def test_a_detector_with_an_operator_and_a_time_to_live(monitor, plugin, go, tmp_path):
    moment = tmp_path / "moment"
    text = f"""
start = hear()
say(type="hello", name="gaze", detector=True)
wait_for_go()
open({str(moment)!r}, "w").write(str(time.monotonic()))
say(type="detection", active=True, confidence=85.0, operator=start["robot_type"] + os.environ["SUFFIX"], ttl=1.0)
hear()
"""
    here = monitor("--robot-type", "xle", config={"plugins": [plugin("gaze", text, env={"SUFFIX": "_op"})]})
    client = here.client()
    go()
    _, state = client.wait_state(lambda state: state["teleoperation_active"])
    assert state["operators"] == ["xle_op"] and state["confidence"] == 85 and state["reasons"] == ["gaze: 85% confidence"]
    assert client.wait("operator_connected")[1]["data"]["source"] == "gaze"
    ended, _ = client.wait("teleoperation_stopped")
    assert 0.95 < ended - float(moment.read_text()) < 3


def test_polled(monitor, plugin, go):
    text = """
hear()
wait_for_go()
say(type="hello", name="polled", detector=True, poll=True)
count = 0
while True:
    line = hear()
    if line["type"] == "detect":
        count += 1
        say(type="detection", active=count < 40, confidence=75, id=line["id"])
    elif line["type"] == "stop":
        break
"""
    here = monitor(config={"plugins": [plugin("polled", text)], "detection": {"detection_interval": 0.05}})
    client = here.client()
    go()
    client.wait("teleoperation_started")
    client.wait("teleoperation_stopped")


def test_metrics_alerts_checks_state_and_log(monitor, plugin, room):
    text = """
hear()
say(type="hello", name="full", alerts=True, state=True)
say(type="metric", name="grip_force", value=42.5, tags={"source": 'a "b" \\\\ c', "robot_type": "fake"})
say(type="alert", severity="critical", message="too hot", name="heat")
say(type="alert", severity="critical", message="too hot again", name="heat")
say(type="log", level="warning", message="a word for the log")
while True:
    line = hear()
    if line["type"] == "check":
        low = line["metrics"]["grip_force"] < 50
        say(type="check_result", id=line["id"], alert={"severity": "warning", "message": "low"} if low else None)
    elif line["type"] == "state":
        say(type="metric", name="told_active", value=int(line["state"]["teleoperation_active"]))
    elif line["type"] == "stop":
        break
"""
    here = monitor("--robot-type", "xle", config={"plugins": [plugin("full", text)]})
    client = here.client()
    wait_until(lambda: "a word for the log" in here.log, "its word is in the log")
    checks = lambda: [alert for alert in here.json("/alerts")["alerts"] if alert["metric"] == "full"]
    [low] = wait_until(checks, "its check has raised an alert", 5)
    assert low["severity"] == "warning" and low["message"] == low["reason"] == "low" and low["summary"] is None
    time.sleep(1.2)
    alerts = here.json("/alerts")["alerts"]
    assert sorted(alert["metric"] for alert in alerts) == ["full", "heat"], "each is silent for a while after an alert"
    assert [alert["message"] for alert in alerts if alert["metric"] == "heat"] == ["too hot"]
    assert wait_until(lambda: here.json("/metrics")["metrics"].get("grip_force"), "its metric")["mean"] == 42.5
    text = here.request("/metrics", {"Accept": "text/plain"}).text
    assert 'name="grip_force",source="a \\"b\\" \\\\ c"} 42.5' in text and 'robot_type="fake"' not in text
    assert 'teleop_alerts_total{robot_type="xle",metric="heat",severity="critical"} 1' in text
    with Publisher(room, 5555):
        client.wait("teleoperation_started")
        wait_until(lambda: (here.json("/metrics")["metrics"].get("told_active") or {}).get("max_value") == 1, "it was told the state")


def test_one_that_crashes_is_started_again_and_leaves_no_zombie(monitor, plugin, go, tmp_path):
    marks = tmp_path / "starts"
    text = f"""
wait_for_go()
open({str(marks)!r}, "a").write(f"{{time.monotonic()}}\\n")
say(type="hello", name="brittle", detector=True)
say(type="detection", active=True, confidence=90, operator="ghost", ttl=60)
time.sleep(0.4)
os._exit(3)
"""
    here = monitor(config={"plugins": [plugin("brittle", text), plugin("once", "sys.exit(1)", restart=False)]})
    client = here.client()
    go()
    starts = lambda: [float(moment) for moment in marks.read_text().split()] if marks.exists() else []
    client.wait_state(lambda state: state["operators"] == ["ghost"])
    _, stopped = client.wait("teleoperation_stopped", timeout=3)
    assert stopped["data"]["duration"] < 3, "what it found ends with it"
    [first, second, third, *_] = wait_until(lambda: len(found := starts()) >= 3 and found, "it was started again, and again", 12)
    assert second - first > 1 and third - second > 2, "it waits longer each time"
    assert any("brittle" in event["data"]["component"] for event in client.events("error_occurred"))
    wait_until(lambda: all(state != "Z" for _, state in here.children()), "no zombie stays", 3)


def test_garbage_is_answered(monitor, plugin, tmp_path):
    answers = tmp_path / "answers"
    text = f"""
hear()
out = open({str(answers)!r}, "a", buffering=1)
lines = [b"nonsense", b"[]", b'{{"type":"dance"}}', b'{{"type":"detection","active":true,"confidence":99}}',
         b'{{"type":"hello","name":"NO"}}', b"\\xff\\xfe", b"x" * 20000, b'{{"type":"hello","name":"dirty"}}',
         b'{{"type":"detection","active":true,"confidence":99}}', b'{{"type":"metric","name":"fps","value":1}}', b'{{"type":"metric","name":"x"}}',
         b'{{"type":"alert","severity":"loud","message":"x"}}']
for line in lines:
    sys.stdout.buffer.write(line + b"\\n")
sys.stdout.buffer.flush()
while True:
    line = hear()
    out.write(json.dumps(line) + "\\n")
    if line["type"] == "stop":
        break
"""
    here = monitor(config={"plugins": [plugin("dirty", text)]})
    said = wait_until(lambda: answers.exists() and (lines := answers.read_text().splitlines()) and len(lines) >= 11 and lines, "eleven answers")
    said = [json.loads(line) for line in said]
    assert [line["type"] for line in said] == ["error"] * 11 and all(line["message"] for line in said), said
    assert "hello" in said[3]["message"] and "16384" in said[6]["message"], said
    assert not here.state()["teleoperation_active"] and here.json("/health")["status"] == "healthy"


def test_one_that_talks_without_end_or_says_no_hello_is_ended(monitor, plugin):
    flood = """
say(type="hello", name="flood")
while True:
    sys.stdout.write('{"type":"metric","name":"x","value":1}\\n' * 100)
"""
    here = monitor(config={"plugins": [plugin("flood", flood, restart=False), plugin("mute", "time.sleep(60)", restart=False)]})
    client = here.client()
    wait_until(lambda: "1000 lines" in here.log, "the talker is ended", 8)
    wait_until(lambda: "hello within 5 s" in here.log, "the silent one is ended", 8)
    wait_until(lambda: not here.children(), "both are gone", 6)
    assert client.ask({"type": "ping"}, "pong")
    client.assert_no_gaps()


def test_one_that_does_not_want_to_end(monitor, plugin):
    text = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
say(type="hello", name="stubborn")
while True:
    time.sleep(1)
"""
    here = monitor(config={"plugins": [plugin("stubborn", text)]})
    [(child, _)] = wait_until(lambda: here.children(), "it runs")
    time.sleep(0.3)
    before = time.monotonic()
    here.process.terminate()
    assert here.process.wait(5) == 0 and time.monotonic() - before < 2
    here.is_over = True
    wait_until(lambda: not pathlib.Path(f"/proc/{child}").exists() or " Z " in pathlib.Path(f"/proc/{child}/stat").read_text(),
               "it does not outlive the monitor", 5)


def test_it_has_not_the_right_to_capture(monitor, plugin, tmp_path):
    """Not even as root's child: neither its own set of rights nor what it could get by starting others."""
    rights = tmp_path / "rights"
    text = f"""
open({str(rights)!r}, "w").write(open("/proc/self/status").read())
say(type="hello", name="curious")
hear(); hear()
"""
    monitor(config={"plugins": [plugin("curious", text)]})
    wait_until(lambda: rights.exists() and "CapBnd" in rights.read_text(), "it has looked")
    sets = dict(line.split(":\t") for line in rights.read_text().splitlines() if line.startswith("Cap"))
    raw = 1 << 13
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert not int(sets[name], 16) & raw, sets


def test_standard_input_is_a_plugin(monitor, tmp_path):
    log = tmp_path / "stderr.log"
    with open(log, "wb") as errors:
        here = monitor("--plugin-stdin", wait=False, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors)
        lines = []
        threading.Thread(target=lambda: [lines.append(json.loads(line)) for line in here.process.stdout], daemon=True).start()
        say = lambda **line: (here.process.stdin.write(json.dumps(line).encode() + b"\n"), here.process.stdin.flush())
        wait_until(lambda: lines and lines[0]["type"] == "start", "it says that it has started")
        assert lines[0] == {"type": "start", "robot_type": "lekiwi", "detection_interval": 0.1}
        say(type="hello", name="piped", detector=True, state=True)
        client = here.client()
        say(type="detection", active=True, confidence=85, operator="custom_op", ttl=60)
        client.wait_state(lambda state: state["operators"] == ["custom_op"])
        wait_until(lambda: any(line["type"] == "state" and line["state"]["operators"] == ["custom_op"] for line in lines), "it is told")
        # Its end ends what it found, not the monitor.
        here.process.stdin.close()
        client.wait("teleoperation_stopped", timeout=5)
        assert here.json("/health")["status"] == "healthy" and "http://" in log.read_text()
        assert here.stop() is None
    here.is_over = True


def test_names_are_checked_and_more_may_run(monitor, plugin):
    text = """
say(type="hello", name=NAME, detector=True)
say(type="detection", active=True, confidence=CONFIDENCE, operator=NAME, ttl=60)
hear()
while hear()["type"] != "stop": pass
"""
    configs = [plugin(name, f"NAME, CONFIDENCE = {name!r}, {confidence}\n" + text) for name, confidence in [("first", 60), ("second", 55), ("third", 30)]]
    here = monitor(config={"plugins": configs})
    client = here.client()
    _, state = client.wait_state(lambda state: len(state["operators"]) == 2)
    assert state["operators"] == ["first", "second"] and state["confidence"] == 59.25 and state["teleoperation_active"]
