"""`waldo-monitor` and ZeroMQ: libzmq publishes, commands pass between others, strangers are on the ports."""

import json
import os
import statistics
import struct
import sys
import threading
import time

import pytest
import zmq

from conftest import wait_until
from monitor import Publisher, monitor, room  # noqa: F401

CONTROL, FEEDBACK, VIDEO, TELEMETRY, JOYSTICK = range(5555, 5560)


def test_started_and_stopped_in_time(monitor, room):
    """From the first message to `teleoperation_started` at a client; from the last one to `teleoperation_stopped`."""
    here = monitor()
    client = here.client()
    begins, ends = [], []
    for _ in range(4):
        before = len(client.messages)
        with Publisher(room, CONTROL) as publisher:
            moment, started = client.wait("teleoperation_started", after=before)
            assert started["data"]["operators"] == ["ada"] and started["data"]["confidence"] == 85
            assert any(reason.startswith("ZMQ: ") and reason.endswith(" Hz") for reason in started["data"]["reasons"]), started
            begins.append(moment - publisher.started)
            time.sleep(0.4)
            state = here.state()
        assert state["teleoperation_active"] and state["connections"]["zmq"] == 1
        moment, stopped = client.wait("teleoperation_stopped", after=before)
        ends.append(moment - publisher.ended)
        assert stopped["data"]["operators"] == ["ada"] and 1 < stopped["data"]["duration"] < 6
        publisher.close()
    figures = f"begins {begins}, ends {ends}"
    # A busy machine adds to some of them.
    assert min(begins) < 0.25 and statistics.median(begins) < 1, figures
    assert 0.9 < statistics.median(ends) and min(ends) < 1.6 and max(ends) < 3, figures
    client.assert_no_gaps()


def test_order_of_events_and_rates(monitor, room):
    here = monitor()
    client = here.client()
    with Publisher(room, CONTROL) as publisher:
        client.wait("teleoperation_started")
        wait_until(lambda: publisher.count > 75, "more than a second has passed")
        wait_until(lambda: 45 < here.state()["metrics"]["command_rate_hz"] < 60, "the whole rate")
    client.wait("teleoperation_stopped")
    client.wait("connection_lost")
    wanted = ["teleoperation_active_changed", "operators_changed", "operator_connected", "operator_disconnected",
              "teleoperation_started", "teleoperation_stopped", "connection_established", "connection_lost"]
    kinds = [message["type"] for message in client.events(*wanted)]
    begin = [kind for kind in kinds if not kind.startswith("connection")][:4]
    assert begin == ["teleoperation_active_changed", "operators_changed", "operator_connected", "teleoperation_started"], kinds
    end = [kind for kind in kinds if not kind.startswith("connection")][4:]
    assert end == ["teleoperation_active_changed", "operators_changed", "operator_disconnected", "teleoperation_stopped"], kinds
    assert kinds.count("connection_established") == kinds.count("connection_lost") == 1, kinds
    [lost] = client.events("connection_lost")
    assert lost["data"]["kind"] == "zmq"
    [connected] = client.events("operator_connected")
    assert connected["data"] == {"operator": "ada", "source": "zmq", "operators": ["ada"]}


def test_multipart_counts_once_and_is_looked_into(monitor, room):
    here = monitor()
    client = here.client()
    message = lambda number: [b"arm", b"", json.dumps({"cmd": "joint", "user": "gr\u00e4fin"}).encode(), os.urandom(300)]
    with Publisher(room, JOYSTICK, message=message) as publisher:
        _, started = client.wait("teleoperation_started")
        client.wait_state(lambda state: state["operators"] == ["gr\u00e4fin"])
        wait_until(lambda: publisher.count > 75, "more than a second has passed")
        wait_until(lambda: 40 < here.state()["metrics"]["command_rate_hz"] < 60, "a rate as if each message had one part")


@pytest.mark.parametrize("message, name", [
    (b'{"operator":"","operator_id":"eve","user":"x"}', "eve"),
    (b"move operator: bob fast", "bob"),
    (b"\xff\xfe\x00 nothing that is text", "unknown"),
    (b'{"source":"' + b"n" * 300 + b'\\u0007"}', "n" * 64),
])
def test_who_it_is(monitor, room, message, name):
    here = monitor()
    client = here.client()
    with Publisher(room, CONTROL, message=lambda _: message):
        client.wait_state(lambda state: state["operators"] == [name])


def test_slow_commands_are_not_teleoperation(monitor, room):
    here = monitor()
    client = here.client()
    with Publisher(room, CONTROL, rate=5, catches_up=False):
        client.wait("connection_established")
        time.sleep(2.5)
    assert not client.events("teleoperation_started") and here.state()["connections"]["zmq"] <= 1
    with Publisher(room, JOYSTICK, rate=14):
        client.wait("teleoperation_started")


def test_stops_and_modes_are_events(monitor, room):
    here = monitor()
    client = here.client()
    say = []
    with Publisher(room, CONTROL, message=lambda _: json.dumps({"type": "move", "operator": "ada", **(say.pop() if say else {})}).encode()):
        client.wait("teleoperation_started")
        say.append({"type": "estop"})
        _, stop = client.wait("emergency_stop")
        say.append({"type": "set_mode", "mode": "arm"})
        _, mode = client.wait("mode_changed")
    assert stop["data"] == {"operator": "ada", "command": "estop"} and mode["data"] == {"operator": "ada", "command": "set_mode"}
    assert len(client.events("emergency_stop")) == len(client.events("mode_changed")) == 1


def test_a_flood_of_stops_is_one_a_second(monitor, room):
    here = monitor()
    client = here.client()
    with Publisher(room, CONTROL, message=lambda _: b'{"type":"emergency_stop","operator":"ada"}') as publisher:
        client.wait("emergency_stop")
        time.sleep(2.2)
    assert 2 <= len(client.events("emergency_stop")) <= time.monotonic() - publisher.started + 2


def test_two_operators(monitor, room):
    here = monitor()
    client = here.client()
    with Publisher(room, CONTROL):
        client.wait("teleoperation_started")
        with Publisher(room, JOYSTICK, message=lambda _: b'{"operator":"zoe"}'):
            _, state = client.wait_state(lambda state: state["operators"] == ["ada", "zoe"])
            assert state["connections"]["zmq"] == 2
        client.wait_state(lambda state: state["operators"] == ["ada"], after=len(client.messages))
        _, gone = client.wait("operator_disconnected")
        assert not client.events("teleoperation_stopped")
    assert gone["data"]["operator"] == "zoe" and gone["data"]["operators"] == ["ada"] and gone["data"]["connected_seconds"] > 0.9


PUBLISH = """
import sys, time, zmq
out = zmq.Context().socket(zmq.PUB)
out.bind("tcp://127.0.0.1:5555")
while True:
    out.send(b'{"type":"move","operator":"ada"}')
    time.sleep(0.02)
"""


def test_a_publisher_that_is_killed_and_comes_again(monitor, room):
    here = monitor()
    client = here.client()
    for _ in range(2):
        before = len(client.messages)
        publisher = room.start(sys.executable, "-c", PUBLISH)
        client.wait("teleoperation_started", after=before)
        time.sleep(0.3)
        publisher.kill()
        killed = time.monotonic()
        moment, _ = client.wait("teleoperation_stopped", after=before)
        assert moment - killed < 3
    client.assert_no_gaps()


@pytest.mark.parametrize("pattern", ["push", "req"])
def test_commands_between_others_and_large_pictures(monitor, room, pattern):
    """LeKiwi's way: a host that pulls commands on 5555, and sends observations on 5556 with pictures in them. Nothing can be subscribed to
    on 5555: capture counts."""
    here = monitor()
    client = here.client()
    if pattern == "push":
        robot, operator = room.zmq(zmq.PULL, bind=CONTROL), room.zmq(zmq.PUSH, connect=CONTROL)
    else:
        robot, operator = room.zmq(zmq.REP, bind=CONTROL), room.zmq(zmq.REQ, connect=CONTROL)
        robot.setsockopt(zmq.RCVTIMEO, 500), operator.setsockopt(zmq.RCVTIMEO, 2000)
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                if pattern == "push":
                    robot.poll(100) and robot.recv()
                else:
                    robot.recv()
                    robot.send(b"ok")
            except zmq.Again:
                pass

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    picture = os.urandom(120_000)
    observation = lambda number: json.dumps({"arm_shoulder.pos": number}).encode() + picture
    viewer = room.zmq(zmq.SUB, connect=FEEDBACK)
    viewer.setsockopt(zmq.SUBSCRIBE, b"")
    with Publisher(room, FEEDBACK, rate=30, message=observation):
        time.sleep(1.2)
        assert not client.events("teleoperation_started"), "pictures alone are no commands"
        for number in range(100):
            operator.send(json.dumps({"type": "move", "x.vel": 0.1, "operator": "ada"}).encode())
            if pattern == "req":
                operator.recv()
            while viewer.poll(0):
                viewer.recv()
            time.sleep(0.02)
        state = here.state()
    moment, _ = client.wait("teleoperation_started", timeout=1)
    assert state["teleoperation_active"] and 20 < state["metrics"]["command_rate_hz"] < 80, state
    assert state["connections"]["zmq"] == 2 and state["metrics"]["bandwidth_mbps"] > 5, state
    client.wait("teleoperation_stopped", timeout=5)
    ended.set()
    server.join(5)


def test_our_own_subscriber_is_no_traffic(monitor, room):
    """A publisher that says nothing, and one whose messages are counted once though they pass on the wire to the monitor as well."""
    here = monitor()
    client = here.client()
    silent = room.zmq(zmq.PUB, bind=CONTROL)
    time.sleep(2)
    assert here.state()["connections"] == {"webrtc": 0, "zmq": 0, "input": 0, "network": 0}
    assert not client.events("connection_established")
    others = [room.zmq(zmq.SUB, connect=CONTROL) for _ in range(2)]
    for each in others:
        each.setsockopt(zmq.SUBSCRIBE, b"")
    time.sleep(0.3)
    with Publisher(room, CONTROL, target=silent):
        client.wait("teleoperation_started")
        time.sleep(1.5)
        state = wait_until(lambda: 40 < (state := here.state())["metrics"]["command_rate_hz"] < 60 and state,
                           "one publisher is counted once, whoever reads it")
    assert state["connections"]["zmq"] == 1, state


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03PUB"
GARBAGE = {
    "random bytes": lambda: os.urandom(5000),
    "a web server": lambda: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "silence": lambda: b"",
    "a greeting and silence": lambda: GREETING,
    "a frame of 2^62 bytes": lambda: GREETING + READY + b"\x02" + struct.pack(">Q", 1 << 62) + b"x" * 1000,
    "a frame with the sign bit": lambda: GREETING + READY + b"\x02" + b"\xff" * 8 + b"x" * 1000,
    "a command without a body": lambda: GREETING + b"\x04\x00" + READY + b"\x04\x00",
    "a property that is too long": lambda: GREETING + b"\x04\x12\x05READY\x0bSocket-Type\xff\xff\xff\xff",
    "frames without an end": lambda: GREETING + READY + b"\x01\x00" * 20_000,
    "another mechanism": lambda: GREETING[:12] + b"CURVE".ljust(20, b"\0") + bytes(32) + os.urandom(200),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_strangers_on_a_port(monitor, room, what):
    """The port gives garbage to whoever connects; the other ports go on, and the monitor eats neither memory nor the processor."""
    here = monitor()
    client = here.client()
    listener = room.listen(CONTROL)
    listener.settimeout(0.1)
    over, accepted = threading.Event(), []

    def serve():
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                continue
            accepted.append(connection)
            try:
                connection.sendall(GARBAGE[what]())
            except OSError:
                pass

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    wait_until(lambda: accepted, "the monitor connects", 5)
    before = here.processor()
    time.sleep(1)
    assert not client.events("teleoperation_started") and here.processor() - before < 0.5
    with Publisher(room, JOYSTICK):
        client.wait("teleoperation_started")
    assert here.resident() < 16_000, here.resident()
    assert len(accepted) < 60, f"it came back {len(accepted)} times"
    over.set()
    server.join(5)
    for each in (listener, *accepted):
        each.close()
