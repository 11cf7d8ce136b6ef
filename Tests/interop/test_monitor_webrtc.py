"""`waldo-monitor` and WebRTC: sessions of aiortc, of our own peers through coturn, of `waldo up`; and what is left without packets."""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

import pytest

from conftest import run_async, wait_until
from monitor import far_room, monitor, room  # noqa: F401
from peer import Peer, connect
from station import SMALL, Operator, Station
from turn_server import PASSWORD, USER, TurnServer

HERE = pathlib.Path(__file__).parent
WITHOUT_PACKETS = ("setpriv", "--bounding-set", "-net_raw", "--inh-caps", "-net_raw")


class Session:
    """aiortc on both ends of the cable."""

    def __init__(self, room, far_room, *options, name=None):
        self.states = []
        environment = {"PATH": os.environ["PATH"], **({"OPERATOR_ID": name} if name else {})}
        run = lambda where, role: where.start(
            sys.executable, HERE / "webrtc_session.py", role, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment,
            stderr=None)
        self.robot, self.operator = run(room, "robot"), run(far_room, "operator")
        self.say(self.operator, self.robot.stdout.readline())
        self.say(self.robot, self.operator.stdout.readline())
        threading.Thread(target=lambda: [self.states.append(json.loads(line)) for line in self.robot.stdout], daemon=True).start()

    @staticmethod
    def say(process, line):
        process.stdin.write(line)
        process.stdin.flush()

    def connected(self):
        """When it was."""
        return wait_until(lambda: next((line["time"] for line in self.states if line["state"] == "connected"), None), "it is connected", 20)

    def kill(self):
        """Without a farewell; answers when."""
        for process in (self.operator, self.robot):
            process.kill()
        return time.monotonic()


def test_video_and_a_channel(monitor, room, far_room):
    here = monitor()
    client = here.client()
    session = Session(room, far_room, "video", name="Grace")
    connected = session.connected()
    moment, started = client.wait("teleoperation_started", timeout=10)
    begin = moment - connected
    assert started["data"]["operators"] == ["Grace"] and started["data"]["reasons"] == ["WebRTC: 1 connections"], started
    assert client.wait("operator_connected")[1]["data"]["source"] == "webrtc"
    assert client.wait("connection_established")[1]["data"]["remote"].startswith("203.0.113.2:")
    state = wait_until(lambda: (state := here.state())["metrics"]["bandwidth_mbps"] > 0 and state["metrics"]["fps"] > 10 and state, "its figures")
    assert state["confidence"] >= 90 and state["connections"]["webrtc"] == 1 and state["metrics"]["fps"] < 45, state
    before = len(client.messages)
    killed = session.kill()
    moment, _ = client.wait("teleoperation_stopped", after=before)
    figures = f"started {begin:.3f} s after the robot's end was connected, stopped {moment - killed:.3f} s after the last packet"
    assert -1 < begin < 3, figures
    assert 1.5 < moment - killed < 3.2, figures
    client.wait("connection_lost")
    client.assert_no_gaps()


def test_a_channel_of_commands_alone(monitor, room, far_room):
    here = monitor()
    client = here.client()
    session = Session(room, far_room, "commands")
    session.connected()
    _, started = client.wait("teleoperation_started")
    assert started["data"]["operators"] == ["operator_203.0.113.2"]
    time.sleep(0.5)
    before = len(client.messages)
    Session.say(session.operator, b"pause\n")
    paused = time.monotonic()
    moment, _ = client.wait("teleoperation_stopped", after=before)
    assert 1.5 < moment - paused < 4, moment - paused
    before = len(client.messages)
    went_on = time.monotonic()
    Session.say(session.operator, b"go on\n")
    moment, _ = client.wait("teleoperation_started", after=before)
    assert moment - went_on < 3


def test_an_idle_session_is_nobody(monitor, room, far_room):
    here = monitor()
    client = here.client()
    Session(room, far_room).connected()
    time.sleep(2)
    # What passes while it is made may look like use for two seconds; then nobody drives.
    nobody = lambda: not (state := here.state())["teleoperation_active"] and state["connections"]["webrtc"] == 0
    wait_until(nobody, "it is over")
    time.sleep(1.5)
    assert nobody()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_through_a_relay(monitor, room, far_room, tmp_path, transport):
    here = monitor()
    client = here.client()
    with far_room.call(lambda: TurnServer(str(tmp_path), address=far_room.address)) as server:
        options = ["--ice-server", f"{server.url(transport)},{USER},{PASSWORD}", "--relay-only"]
        with Peer(*options, "--bind", room.address, "--video", "send", "--size", "320x240", "--bitrate", "500", namespace=room.name) as robot, \
             Peer(*options, "--bind", far_room.address, "--video", "recv", namespace=far_room.name) as operator:
            connect(robot, operator)
            _, started = client.wait("teleoperation_started", timeout=15)
            assert started["data"]["operators"] == [f"operator_{far_room.address}"], started
            time.sleep(1)
            assert here.state()["connections"]["webrtc"] == 1, here.state()
        client.wait("teleoperation_stopped", timeout=8)


def test_a_robot_of_our_own(monitor, room, far_room, binary, tmp_path):
    here = monitor()
    client = here.client()
    station = Station(binary, tmp_path, [*SMALL, "--bind", room.address, "--insecure"], address=room.address, namespace=room.name)
    try:
        async def drive():
            async with Operator(station, view="none") as ada:
                await ada.keep(seconds=60, until=lambda: client.events("teleoperation_started"), what="the monitor sees it") \
                    if ada.lease and ada.lease["yours"] else await ada.until(
                        lambda: client.events("teleoperation_started"), "the monitor sees it")

        far_room.call(lambda: run_async(drive(), 40))
        client.wait("teleoperation_stopped", timeout=8)
    finally:
        fault = station.stop()
    assert fault is None, station.log


def test_without_packets(monitor, room, far_room):
    here = monitor(before=WITHOUT_PACKETS)
    client = here.client()
    for name in ("webrtc", "network", "zmq"):
        found = here.detectors()[name]
        assert found["mode"] == "reduced" and "CAP_NET_RAW" in found["error"] and "setcap" in found["error"], (name, found)
    session = Session(room, far_room, "video", name="Grace")
    session.connected()
    _, started = client.wait("teleoperation_started", timeout=10)
    assert len(started["data"]["operators"]) == 1 and here.state()["connections"]["webrtc"] >= 1, started
    assert here.state()["metrics"]["fps"] == 0
    session.kill()
    client.wait("teleoperation_stopped", timeout=8)


def test_as_nobody_an_operator_is_an_address(monitor, room, far_room, binary, tmp_path):
    """A TCP connection to a TURN port, as another user than whose it is: neither packets nor environments."""
    program = str(pathlib.Path(binary).with_name("waldo-monitor"))
    here = monitor(before=("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set", "-all", "--inh-caps", "-all"))
    client = here.client()
    assert here.detectors()["webrtc"]["mode"] == "reduced" and program.rsplit("/", 1)[1] in here.detectors()["webrtc"]["error"]
    listener = far_room.listen(3478, address=far_room.address)
    near = room.connect(3478, address=far_room.address)
    far, _ = listener.accept()
    deadline = time.monotonic() + 15
    while not client.events("teleoperation_started"):
        assert time.monotonic() < deadline, "a connection of this age is believed"
        near.sendall(b"x" * 200)
        far.recv(4096)
        time.sleep(0.1)
    assert client.events("teleoperation_started")[0]["data"]["operators"] == [f"operator_{far_room.address}"]
    for each in (near, far, listener):
        each.close()
    client.wait("teleoperation_stopped", timeout=8)
