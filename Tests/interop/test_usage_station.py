"""The usage monitor with a station: what it is told of sessions, and how a station shows it."""

import json
import re
import signal
import socket
import subprocess
import time

import psutil
import pytest

from client_support import stage  # noqa: F401
from conftest import run_async, wait_until
from station import SMALL, Operator, station  # noqa: F401
from usage_support import far_station, monitor_of, usage, watched  # noqa: F401


# What is told


def test_sessions_are_told_with_name_role_time_and_address(station, watched):
    here = station(*SMALL, *watched.options)
    wait_until(lambda: watched.told() == {"source": "waldo", "sessions": []}, "a station without clients says so")

    async def drive():
        began = int(time.time())
        async with Operator(here, "Ada") as ada, Operator(here, "Bob") as bob:
            await ada.acquire()
            await ada.until(lambda: watched.roles() == {"Ada": "driver", "Bob": "viewer"}, "who drives is told")
            for session in watched.told()["sessions"]:
                assert began - 1 <= session["since"] <= time.time() + 1
                assert re.fullmatch(r"\d+\.\d+\.\d+\.\d+:\d+|\[[0-9a-f:]+\]:\d+", session["remote"]), session
            # The lease is handed over.
            ack = await bob.ask({"type": "lease", "action": "acquire"})
            assert ack["ok"], ack
            ack = await ada.ask({"type": "lease", "action": "grant"})
            assert ack["ok"], ack
            await ada.until(lambda: watched.roles() == {"Ada": "viewer", "Bob": "driver"}, "the new driver is told")
            bob.say({"type": "hello", "name": "Robert", "view": "none"})
            await ada.until(lambda: watched.roles() == {"Ada": "viewer", "Robert": "driver"}, "another name is told")
        return True

    assert run_async(drive())
    wait_until(lambda: watched.told()["sessions"] == [], "who has left is told no more")
    here.process.send_signal(signal.SIGINT)
    wait_until(lambda: watched.left() == [], "a station that has ended tells nothing")
    here.process.wait(10)
    station_has_ended(here)


def station_has_ended(here):
    """Its end was the test's doing."""
    here.stop = lambda: None


def test_a_robot_client_tells_its_operators(stage, watched):
    robot = stage.robot("--drive", "sim", "--size", "320x240", "--rate", "10", "--usage-namespace", watched.namespace)
    robot.expect("Waiting for operator...")
    wait_until(lambda: watched.roles() == {}, "a robot without operators says so")
    operator = stage.operator("--commands", "none", "--id", "grace")
    operator.expect("Data channel open")
    wait_until(lambda: watched.roles() == {"grace": "driver"}, "its operator drives")
    operator.stop()
    wait_until(lambda: watched.roles() == {}, "and has gone")
    robot.stop()
    wait_until(lambda: watched.left() == [], "and the robot, too")


def test_an_empty_namespace_switches_it_off(station, watched):
    here = station(*SMALL, "--usage-namespace", "", "--monitor-port", 0)
    answer = here.request("GET", "/api/usage")
    assert answer.status == 503 and json.loads(answer.text)["error"]["code"] == "no_monitor"
    assert watched.told() is None


@pytest.mark.parametrize("options, words", [
    (("--usage-namespace", "a/b"), "--usage-namespace: expected 1 to 64 letters"), (("--monitor", "--monitor-port", "0"), "--monitor: expected"),
])
def test_what_cannot_be_is_said(binary, options, words):
    done = subprocess.run([binary, "config", *options], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2 and words in done.stderr, done.stderr


# The monitor through the station


def test_without_a_monitor_it_is_said_how_to_start_one(station, watched):
    here = station(*SMALL, *watched.options)
    answer = here.request("GET", "/api/usage")
    error = json.loads(answer.text)["error"]
    assert answer.status == 503 and error["code"] == "no_monitor"
    assert f"waldo monitor --websocket-port {watched.port} --shm-namespace {watched.namespace}" in error["message"]


def test_the_monitor_hears_who_drives(far_station, watched):
    """A viewer is a connection with a name, whom packets alone would not tell; who drives is a signal of its own."""
    here = far_station(*watched.options, "--monitor")

    async def drive():
        async with Operator(here, "Ada") as ada:
            await ada.until(lambda: watched.roles() == {"Ada": "viewer"}, "a viewer is told")
            await ada.until(lambda: (state := usage(here)) and state["operators"] == ["Ada"], "packets and name come together")
            assert usage(here)["reasons"] == ["WebRTC: 1 connections"]
            await ada.acquire()
            await ada.keep(until=lambda: "waldo: 100% confidence" in usage(here)["reasons"], what="the monitor hears that somebody drives")
            state = usage(here)
            assert state["teleoperation_active"] is True and state["operators"] == ["Ada"] and state["confidence"] > 90, state
            await ada.ask({"type": "lease", "action": "release"})
            await ada.until(lambda: usage(here)["reasons"] == ["WebRTC: 1 connections"], "it is over when the lease is free")
        await ada.until(lambda: not usage(here)["teleoperation_active"], "and nobody is there in the end")
        return True

    assert run_async(drive(), 90)
    child = monitor_of(here)
    here.process.send_signal(signal.SIGINT)
    assert here.process.wait(10) == 0
    station_has_ended(here)
    assert not psutil.pid_exists(child.pid), "the monitor ends with the station"
    assert watched.left() == [], "and takes its shared memory with it"


def test_a_killed_station_takes_its_monitor_along(station, watched):
    here = station(*SMALL, *watched.options, "--monitor")
    child = monitor_of(here)
    here.process.kill()
    here.process.wait(5)
    station_has_ended(here)
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the monitor is gone", 5)


def test_a_taken_port_is_said_and_ends_nothing(station, watched):
    with socket.socket() as other:
        other.bind(("127.0.0.1", watched.port))
        other.listen()
        here = station(*SMALL, *watched.options, "--monitor")
        wait_until(lambda: "the usage monitor has ended" in here.log, "its end is said")
        wait_until(lambda: f"Port {watched.port} is already in use" in here.log, "and why")
        assert here.json("/api/health")["status"] == "ok"


def test_nothing_else_is_shown_in_the_monitors_place(station, watched):
    """Another program that happens to answer at that port is not for viewers to read."""
    import http.server
    import threading

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"status":"running","secret":1}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", watched.port), Other)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        here = station(*SMALL, *watched.options)
        answer = here.request("GET", "/api/usage")
        assert answer.status == 503 and b"secret" not in answer.text
    finally:
        server.shutdown()
        server.server_close()


def test_the_relay_carries_both_ways_and_asks_for_the_token(station, watched):
    import websockets

    here = station(*SMALL, *watched.options, "--monitor", "--token", "supervisor-1", "--viewer-token", "viewer-01")
    wait_until(lambda: here.request("GET", "/api/usage", fields={"Authorization": "Bearer viewer-01"}).status == 200, "the monitor answers")
    assert here.request("GET", "/api/usage").status == 401
    url = here.url.replace("http", "ws") + "/api/usage/ws"

    async def talk():
        async with websockets.connect(url, additional_headers={"Authorization": "Bearer viewer-01"}) as socket:
            assert json.loads(await socket.recv())["type"] == "initial_state"
            await socket.send('{"type":"subscribe","topics":[]}')
            await socket.send('{"type":"ping"}')
            kinds = set()
            while not {"subscribed", "pong"} <= kinds:
                kinds.add(json.loads(await socket.recv())["type"])
            await socket.send(b"\0")
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await socket.recv()
            assert closed.value.rcvd.code == 1003
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(url)
        assert refused.value.response.status_code == 401
        async with websockets.connect(url, additional_headers={"Authorization": "Bearer supervisor-1"}) as socket:
            monitor_of(here).kill()
            with pytest.raises(websockets.ConnectionClosed) as closed:
                while True:
                    await socket.recv()
            assert closed.value.rcvd.code == 1013
        return True

    assert run_async(talk())
