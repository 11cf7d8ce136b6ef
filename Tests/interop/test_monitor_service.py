"""`waldo-monitor` as a service: how it is started and ends, its HTTP routes, its shared memory read by a program that knows only the layout."""

import json
import mmap
import os
import pathlib
import re
import signal
import struct
import subprocess
import time

import pytest

from conftest import wait_until
from monitor import Publisher, monitor, room  # noqa: F401

STATE_KEYS = {"teleoperation_active", "operators", "confidence", "connections", "metrics", "reasons", "start_time", "duration", "timestamp"}
ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"


# Start


@pytest.fixture
def refused(binary):
    """What the program says of words that it does not take, and its status."""
    def run(*words, environment=None, program="waldo-monitor"):
        done = subprocess.run([pathlib.Path(binary).with_name(program), *words], capture_output=True, text=True, timeout=20,
                              env={"PATH": os.environ["PATH"], **(environment or {})}, stdin=subprocess.DEVNULL)
        return done.returncode, done.stderr
    return run


@pytest.mark.parametrize("words, environment, named", [
    (["--robot-type", "r2d2"], {}, ["--robot-type", "r2d2", "lekiwi", "xle"]),
    ([], {"ROBOT_TYPE": "r2d2"}, ["ROBOT_TYPE", "r2d2", "lekiwi"]),
    (["--websocket-port", "70000"], {}, ["--websocket-port", "70000", "65535"]),
    (["--websocket-port", "0"], {}, ["--websocket-port", "`0`"]),
    ([], {"WEBSOCKET_PORT": "http"}, ["WEBSOCKET_PORT", "http"]),
    (["--bind", "nowhere"], {}, ["--bind", "nowhere"]),
    (["--shm-namespace", "../etc"], {}, ["--shm-namespace", "../etc"]),
    ([], {"SHM_NAMESPACE": "a b/c"}, ["SHM_NAMESPACE", "a b/c"]),
    (["--log-level", "LOUD"], {}, ["--log-level", "LOUD", "WARNING"]),
    ([], {"LOG_LEVEL": "LOUD"}, ["LOG_LEVEL", "LOUD"]),
    (["--plugin", "no-command"], {}, ["--plugin", "NAME=COMMAND"]),
    (["--plugin", "webrtc=true"], {}, ["--plugin", "webrtc"]),
    (["--plugin", "a=x", "--plugin", "a=y"], {}, ["--plugin", "two", "`a`"]),
    (["--config", "/nowhere/at/all"], {}, ["/nowhere/at/all", "No such file"]),
    (["--loud"], {}, ["--loud"]),
    (["--config"], {}, ["--config", "value"]),
])
def test_wrong_words_are_named(refused, words, environment, named):
    status, said = refused(*words, environment=environment)
    assert status == 2, said
    for word in named:
        assert word in said, said


@pytest.mark.parametrize("content, named", [
    ("{", ["JSON"]),
    ("[]", ["object"]),
    ('{"robot_typ":"xle"}', ["robot_typ", "robot_type"]),
    ('{"detection":{"confidence_threshold":101}}', ["confidence_threshold", "100"]),
    ('{"detection":{"detection_interval":0.001}}', ["detection_interval", "0.02"]),
    ('{"detection":{"update_interval":"fast"}}', ["update_interval"]),
    ('{"ports":{"zmq":{"control_commands":0}}}', ["control_commands", "65535"]),
    ('{"ports":{"zmq":{"joystick":5555}}}', ["ports.zmq", "a port of its own"]),
    ('{"ports":{"zmq":{"control":5555}}}', ["control", "control_commands"]),
    ('{"ports":{"webrtc":{"media":[5,1]}}}', ["media"]),
    ('{"performance":{"buffer_size":100}}', ["buffer_size", "4096"]),
    ('{"performance":{"max_clients":0}}', ["max_clients", "1"]),
    ('{"alerts":{"latency":1}}', ["alerts", "latency_ms"]),
    ('{"detectors":["sonar"]}', ["detectors", "webrtc"]),
    ('{"plugins":[{"name":"UPPER","exec":["true"]}]}', ["plugins", "UPPER"]),
])
def test_wrong_files_are_named(refused, tmp_path, content, named):
    path = tmp_path / "monitor.json"
    path.write_text(content)
    status, said = refused("--config", str(path))
    assert status == 2 and "monitor.json" in said, said
    for word in named:
        assert word in said, said


def test_a_flag_goes_before_the_environment_and_that_before_the_file(monitor, room):
    file = {"robot_type": "xle", "websocket_port": 7001, "shm_namespace": f"file{os.getpid()}"}
    assert monitor(config=file).json("/status")["robot_type"] == "xle"
    environment = {"WEBSOCKET_PORT": "7002", "SHM_NAMESPACE": f"env{os.getpid()}", "ROBOT_TYPE": "lekiwi"}
    here = monitor(config=file, environment=environment)
    assert here.port == 7002 and here.json("/status")["robot_type"] == "lekiwi"
    assert pathlib.Path(f"/dev/shm/env{os.getpid()}_main").exists()
    flagged = f"flag{os.getpid()}"
    here = monitor("--robot-type", "xle", "--shm-namespace", flagged, config=file, environment=environment, port=7003, namespace=flagged)
    assert here.port == 7003 and pathlib.Path(f"/dev/shm/{flagged}_main").exists() and here.json("/status")["robot_type"] == "xle"


def test_what_is_taken_is_said(monitor, room):
    here = monitor()
    other = monitor(wait=False)
    other.is_over = True
    assert other.process.wait(10) == 1 and "Port 8765 is already in use" in other.log
    other = monitor("--shm-namespace", here.namespace, port=8766, wait=False, namespace="elsewhere")
    other.is_over = True
    assert other.process.wait(10) == 1
    assert f"Shared memory namespace {here.namespace} is in use by pid {here.process.pid}" in other.log
    # Neither has hurt the first one.
    assert here.json("/health")["status"] == "healthy" and pathlib.Path(f"/dev/shm/{here.namespace}_main").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_cleanly(monitor, number):
    here = monitor()
    client, idle = here.client(), here.room.connect(here.port)
    segments = sorted(path.name for path in pathlib.Path("/dev/shm").glob(f"{here.namespace}_*"))
    assert segments == [f"{here.namespace}_main", f"{here.namespace}_telemetry"]
    before = time.monotonic()
    here.process.send_signal(number)
    assert here.process.wait(5) == 0 and time.monotonic() - before < 1.5
    assert client.wait_closed() == 1001
    assert not list(pathlib.Path("/dev/shm").glob(f"{here.namespace}_*"))
    here.is_over = True
    idle.close()


def test_the_namespace_of_a_killed_one_is_taken_over(monitor):
    here = monitor()
    here.is_over = True
    here.process.kill()
    here.process.wait(5)
    assert pathlib.Path(f"/dev/shm/{here.namespace}_main").exists()
    again = monitor(namespace=here.namespace, port=8766, *("--shm-namespace", here.namespace))
    wait_until(lambda: read_main(again.namespace), "a state")
    assert read_main(again.namespace)["pid"] == again.process.pid


# HTTP


def test_routes(monitor):
    here = monitor("--robot-type", "xle")
    state = wait_until(lambda: (state := here.state())["timestamp"] and state, "the first evaluation")
    assert set(state) == STATE_KEYS and re.fullmatch(ISO, state["timestamp"]), state
    assert state["metrics"].keys() == {"latency_ms", "bandwidth_mbps", "packet_loss_pct", "fps", "command_rate_hz"}
    assert (state["teleoperation_active"], state["operators"], state["confidence"], state["start_time"], state["duration"]) == \
        (False, [], 0, None, None)
    status = here.json("/status")
    assert status["status"] == "running" and status["connected_clients"] == 0 and status["robot_type"] == "xle"
    assert status["detectors"].keys() == {"webrtc", "zmq", "input", "network"}
    for name, detector in status["detectors"].items():
        assert detector["mode"] in ("full", "reduced", "off") and "error" in detector and isinstance(detector["running"], bool), (name, detector)
    assert {"detections", "state_changes", "evaluations", "uptime", "last_detection_latency_ms", "errors"} <= status["stats"].keys()
    assert re.fullmatch(ISO, status["timestamp"])
    health = here.json("/health")
    assert health["status"] == "healthy" and re.fullmatch(ISO, health["timestamp"]) and health.keys() == {"status", "timestamp"}
    assert here.json("/alerts")["alerts"] == []
    for path in ("/", "/dashboard"):
        page = here.request(path)
        assert page.status == 200 and page.headers["Content-Type"].startswith("text/html") and len(page.text.encode()) <= 20_000
        assert not re.search(r"""(?:src|href)\s*=|url\(|@import|https?://""", page.text), "the page is all there is"
    for path in ("/nothing", "/ws/x", "/status/", "//", "/metrics2"):
        answer = here.request(path)
        assert answer.status == 404 and json.loads(answer.text) == {"error": "Not found"}, path
    assert here.request("/%2e%2e/etc/passwd").status == 400
    for path in ("/status", "/metrics", "/health", "/alerts", "/", "/ws", "/nothing"):
        assert here.request(path).headers["Access-Control-Allow-Origin"] == "*", path
        assert here.request(path, method="OPTIONS").status == 204
    assert here.request("/status", method="POST", body=b"{}").status == 405
    assert here.request("/ws").status == 426


def parse(text):
    """Prometheus text, strictly: {name: (type, [(labels, value)])}."""
    found, name = {}, None
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in found and len(line.split(" ", 3)[3]) > 3, line
            found[name] = (None, [])
        elif line.startswith("# TYPE "):
            _, _, typed, kind = line.split(" ")
            assert typed == name and kind in ("gauge", "counter") and found[name] == (None, []), line
            found[name] = (kind, [])
        else:
            matched = re.fullmatch(r'([a-zA-Z_:][\w:]*)\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*",?)*)\} (\S+)', line)
            assert matched and matched.group(1) == name, line
            labels = dict(re.findall(r'(\w+)="((?:[^"\\\n]|\\[\\"n])*)"', matched.group(2)))
            assert all(labels != other for other, _ in found[name][1]), line
            found[name][1].append((labels, float(matched.group(3))))
    return found


GAUGES = {"active", "confidence", "operators", "connections", "latency_ms", "bandwidth_mbps", "packet_loss_pct", "fps", "command_rate_hz",
          "cpu_usage_pct", "memory_usage_mb", "ws_clients", "queue_size", "broadcast_latency_ms", "detector_up", "custom"}
COUNTERS = {"ws_messages_sent_total", "ws_bytes_sent_total", "state_changes_total", "alerts_total", "dropped_events_total"}


def test_metrics_in_both_forms(monitor, room):
    here = monitor("--robot-type", "xle")
    client = here.client()
    with Publisher(room, 5555, message=lambda _: b'{"operator":"zaphod"}'):
        client.wait("teleoperation_started")
        text = here.request("/metrics", {"Accept": "text/plain"})
        figures = here.json("/metrics")
    assert text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = parse(text.text)
    assert {name for name, (kind, _) in found.items() if kind == "gauge"} == {f"teleop_{name}" for name in GAUGES}
    assert {name for name, (kind, _) in found.items() if kind == "counter"} == {f"teleop_{name}" for name in COUNTERS}
    assert all(labels["robot_type"] == "xle" for _, lines in found.values() for labels, _ in lines)
    assert "zaphod" not in text.text, "who drives is nobody's business there"
    assert [value for _, value in found["teleop_active"][1]] == [1] and [value for _, value in found["teleop_ws_clients"][1]] == [1]
    assert {labels["kind"]: value for labels, value in found["teleop_connections"][1]} == {"webrtc": 0, "zmq": 1, "input": 0, "network": 0}
    assert {labels["detector"] for labels, _ in found["teleop_detector_up"][1]} == {"webrtc", "zmq", "input", "network"}
    assert figures["stream_metrics"].keys() == {"messages_sent", "bytes_sent", "connected_clients", "broadcast_latency_ms"}
    assert figures["stream_metrics"]["messages_sent"] >= 5 and figures["queue_size"] == 0
    summary = figures["metrics"]["command_rate_hz"]
    assert summary.keys() == {"name", "count", "mean", "median", "std_dev", "min_value", "max_value", "p95", "p99", "rate"}
    assert summary["name"] == "command_rate_hz" and summary["max_value"] > 10


@pytest.mark.parametrize("accept, is_text", [
    (None, False), ("*/*", False), ("application/json", False), ("text/plain", True), ("text/*;q=0.5, application/json", False),
    ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", True),
    ("application/json;q=0.2, text/plain;q=0.9", True), ("text/plain;q=0.1, application/json", False), ("text/html, */*;q=0.8", False),
    ("text/plain;q=banana", None), (";;;,,,q=", False),
])
def test_which_form_is_asked_for(monitor, accept, is_text):
    answer = monitor().request("/metrics", {"Accept": accept} if accept else {})
    assert answer.status == 200
    if is_text is not None:
        assert answer.headers["Content-Type"].startswith("text/plain" if is_text else "application/json"), answer.headers["Content-Type"]


# Shared memory


def read_main(namespace):
    """By the layout alone; None while there is nothing whole."""
    data = pathlib.Path(f"/dev/shm/{namespace}_main")
    if not data.exists():
        return None
    with open(data, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
        assert len(memory) == 77_888
        magic, version, made, pid = struct.unpack_from(">IIQQ", memory, 0)
        assert (magic, version) == (0x54454C45, 1) and memory[40:64] == bytes(24)

        def area(word, take):
            # Whoever writes may be held up in the middle of it on a busy machine.
            deadline = time.monotonic() + 5
            while time.monotonic() < deadline:
                [before] = struct.unpack_from(">Q", memory, word)
                if before % 2 == 0:
                    taken = take()
                    if struct.unpack_from(">Q", memory, word)[0] == before:
                        return before, taken
            return None

        def state():
            [length] = struct.unpack_from(">I", memory, 64)
            assert length <= 4084
            return memory[68:68 + length], struct.unpack_from(">Q", memory, 4152)[0]

        def metrics():
            [count] = struct.unpack_from(">H", memory, 4160)
            assert count <= 204
            pairs = [struct.unpack_from(">32sd", memory, 4162 + 40 * index) for index in range(count)]
            return [(name.rstrip(b"\0").decode(), value) for name, value in pairs]

        first, second = area(24, state), area(32, metrics)
        if not first or not second or not first[1][0]:
            return None
        return {"made": made, "pid": pid, "sequence": first[0], "state": json.loads(first[1][0]), "milliseconds": first[1][1],
                "metrics": second[1]}


def read_telemetry(namespace):
    """[(time, type, object)], oldest first."""
    path, deadline = pathlib.Path(f"/dev/shm/{namespace}_telemetry"), time.monotonic() + 5
    while time.monotonic() < deadline:
        copy = path.read_bytes()
        write, read, used = struct.unpack_from(">III", copy, 0)
        ring, size = copy[12:], len(copy) - 12
        if (read + used) % size != write or path.read_bytes()[:12] != copy[:12]:
            continue
        whole, items = (ring + ring)[read:read + used], []
        while whole:
            when, kind, length = struct.unpack_from(">dHH", whole, 0)
            items.append((when, kind, json.loads(whole[12:12 + length])))
            whole = whole[12 + length:]
        return items
    raise AssertionError("never whole")


def test_shared_memory_by_its_layout(monitor, room):
    here = monitor()
    client = here.client()
    path = pathlib.Path(f"/dev/shm/{here.namespace}_main")
    assert path.stat().st_mode & 0o777 == 0o644 and path.with_name(f"{here.namespace}_telemetry").stat().st_size == 12 + 65536
    with Publisher(room, 5555):
        client.wait("teleoperation_started")
        found = wait_until(lambda: (found := read_main(here.namespace)) and found["state"]["is_active"] and found, "it is active")
        now = time.time()
        assert found["pid"] == here.process.pid and 0 <= now - found["made"] < 60 and abs(now * 1000 - found["milliseconds"]) < 2000
        assert list(found["state"]) == [
            "is_active", "operators", "start_time", "duration", "confidence", "webrtc_connections", "zmq_flows", "input_devices",
            "network_flows", "latency_ms", "bandwidth_mbps", "packet_loss_pct", "fps", "command_rate_hz", "cpu_usage_pct",
            "memory_usage_mb"] or set(found["state"]) >= {"is_active", "operators", "zmq_flows"}
        assert found["state"]["operators"] == ["ada"] and found["state"]["zmq_flows"] == 1
        assert re.fullmatch(ISO, found["state"]["start_time"])
        assert [name for name, _ in found["metrics"]] == [
            "latency_ms", "bandwidth_mbps", "packet_loss_pct", "fps", "command_rate_hz", "cpu_usage_pct", "memory_usage_mb"]
        wait_until(lambda: dict(read_main(here.namespace)["metrics"])["command_rate_hz"] > 40, "the rate", 5)
        # Many readers, and never a torn state.
        begin, seen = time.monotonic(), set()
        while time.monotonic() < begin + (1.5 if len(seen) >= 3 else 10):
            seen.add(read_main(here.namespace)["sequence"])
        assert len(seen) >= 3 and all(number % 2 == 0 for number in seen)
        items = wait_until(lambda: len(items := read_telemetry(here.namespace)) >= 3 and items, "three items")
    assert all(kind == 1 for _, kind, _ in items) and [item[0] for item in items] == sorted(item[0] for item in items)
    assert items[-1][2].keys() == {"latency_ms", "bandwidth_mbps", "packet_loss_pct", "fps", "command_rate_hz", "is_active"}
    assert any(item[2]["is_active"] for item in items) and abs(items[-1][0] - time.time()) < 5


def test_a_full_ring_keeps_the_newest(monitor):
    here = monitor(config={"performance": {"buffer_size": 4096}, "detection": {"update_interval": 0.1}})
    assert pathlib.Path(f"/dev/shm/{here.namespace}_telemetry").stat().st_size == 12 + 4096
    first = wait_until(lambda: read_telemetry(here.namespace), "an item")[0][0]
    wait_until(lambda: read_telemetry(here.namespace)[0][0] > first, "the oldest gives way", 20)
    items = read_telemetry(here.namespace)
    assert time.time() - items[-1][0] < 2 and len(items) > 20


def test_without_shared_memory(monitor):
    here = monitor("--no-shm")
    assert here.json("/health")["status"] == "healthy" and not list(pathlib.Path("/dev/shm").glob(f"{here.namespace}_*"))


def test_shared_memory_without_room_for_it(monitor):
    """All pages are asked for at the start: one that cannot be had when it is first written to would end the program (SIGBUS)."""
    small = ("unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=96k tmpfs /dev/shm && exec "$@"', "sh")
    here = monitor(before=small)
    assert "shared memory cannot be used" in here.log and "No space left on device" in here.log
    assert here.json("/status")["stats"]["errors"] == 1


def test_read_of_what_no_monitor_writes(binary):
    """Anybody may make an object of that name."""
    namespace = f"waldo{os.getpid()}odd"
    path = pathlib.Path(f"/dev/shm/{namespace}_main")
    state = json.dumps({"is_active": True, "operators": ["a\x1b[31mb", 7], "duration": 1e300, "latency_ms": 1e300, "confidence": "x"}).encode()
    content = bytearray(77_888)
    struct.pack_into(">IIQQ", content, 0, 0x54454C45, 1, 1, 1)
    struct.pack_into(">I", content, 64, len(state))
    content[68:68 + len(state)] = state
    struct.pack_into(">Q", content, 4152, 2**64 - 1)
    path.write_bytes(content)
    try:
        read = [str(pathlib.Path(binary).with_name("waldo-monitor")), "read", "--shm-namespace", namespace]
        said = subprocess.run(read, capture_output=True, timeout=20)
        assert said.returncode == 0 and said.stdout.startswith(b"teleoperated by a[31mb for 1e+300 s") and b"\x1b" not in said.stdout
    finally:
        path.unlink()


def test_read(monitor, room, refused, binary):
    here = monitor()
    client = here.client()
    read = [str(pathlib.Path(binary).with_name("waldo-monitor")), "read", "--shm-namespace", here.namespace]
    run = lambda *more: subprocess.run([*read, *more], capture_output=True, text=True, timeout=20)
    wait_until(lambda: run().returncode == 0, "something is written")
    assert run().stdout.startswith("nobody teleoperates")
    with Publisher(room, 5555):
        client.wait("teleoperation_started")
        wait_until(lambda: run().stdout.startswith("teleoperated by ada"), "it says who")
        state = json.loads(run("--json").stdout)
        assert state["is_active"] and state["operators"] == ["ada"] and abs(state["_timestamp_ms"] - time.time() * 1000) < 3000
    status, said = refused("read", "--shm-namespace", "nobody_here")
    assert status == 1 and said.startswith("waldo-monitor: ")
    path = pathlib.Path(f"/dev/shm/waldo{os.getpid()}bad_main")
    try:
        for content in (b"", b"short", bytes(77_888), b"TELE\0\0\0\2" + bytes(77_880)):
            path.write_bytes(content)
            status, said = refused("read", "--shm-namespace", f"waldo{os.getpid()}bad")
            assert status == 1 and said, content[:8]
    finally:
        path.unlink()
