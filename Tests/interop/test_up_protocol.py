"""`waldo up` by its protocol, through aiortc: the lease, the gate, the emergency stop, and what is no message."""

import asyncio
import json
import os
import pathlib
import re
import signal
import socket
import time

import pytest

from conftest import run_async, wait_until
from station import SMALL, Operator, station  # noqa: F401


def silences(operator):
    """How many stops by silence it was told of."""
    return sum(event["type"] == "stop" and event["reason"] == "silence" for event in operator.events)


def test_a_blind_client_drives_slowly_and_stops_by_silence(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            assert ada.welcome["profile"]["stop_ms"] == 300
            await ada.acquire()
            await ada.rest()
            start = ada.telemetry["pose"]["x"]
            await ada.keep(vx=0.5, until=lambda: ada.telemetry["pose"]["x"] > start + 0.05, what="it moves")
            assert ada.telemetry["command"]["applied"]["vx"] <= 0.1 + 1e-6 and "blind" in ada.telemetry["command"]["rules"]
            await ada.until(lambda: ada.safety["state"] == "stopped" and not ada.is_moving, "silence stops it")
            assert ada.safety["reason"] == "silence"
            await ada.until(lambda: silences(ada) and ada.events[-1]["reason"] == "silence", "the stop is told")
            await ada.keep(0.3, vx=0.5)
            assert ada.telemetry["command"]["refused"] == "rest", "no surprise start after a gap"
            await ada.rest()
            await ada.keep(vx=0.5, until=lambda: ada.is_moving, what="it moves again")
            ada.drive(0.0)
            await ada.until(lambda: ada.safety["state"] == "idle" and not ada.is_moving, "zero stops it")
            # More than one where this machine was too busy to drive on.
            await ada.until(lambda: here.metrics()['waldo_stops_total{robot="rover",reason="silence"}'] == silences(ada), "each is told and counted")

    run_async(play())


def test_the_lease_goes_from_hand_to_hand(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here, "Ada") as ada, Operator(here, "Bob") as bob:
            await ada.acquire()
            await ada.rest()
            refused = await bob.ask({"type": "lease", "action": "grant"})
            assert not refused["ok"] and refused["error"]["code"] == "not_holder"
            assert (await bob.ask({"type": "lease", "action": "acquire"}))["ok"]
            await ada.until(lambda: ada.lease["request"] and ada.lease["request"]["name"] == "Bob", "Ada is asked")
            await ada.keep(0.2, vx=0.1)
            old = ada.lease["epoch"]
            assert (await ada.ask({"type": "lease", "action": "grant"}))["ok"]
            await bob.until(lambda: bob.lease["yours"] and bob.lease["epoch"] > old, "Bob has it")
            await bob.until(lambda: not bob.is_moving, "the change passed through zero")
            counts = bob.telemetry["counts"]["refused"]
            ada.drive(0.1, epoch=old)
            await bob.until(lambda: bob.telemetry["counts"]["refused"] > counts, "Ada's old epoch is refused")
            assert bob.telemetry["command"]["refused"] == "authority"
            await bob.rest()
            await bob.keep(vx=0.1, until=lambda: bob.is_moving, what="Bob drives")
            # Silence: suspended, to be confirmed; then free.
            await bob.until(lambda: bob.lease["state"] == "suspended", "the lease is suspended")
            assert (await bob.ask({"type": "lease", "action": "confirm"}))["ok"]
            await bob.until(lambda: bob.lease["state"] == "held", "confirmed")
            await bob.until(lambda: bob.lease["state"] == "free", "the lease is free", timeout=25)

    run_async(play())


def test_a_viewer_stops_the_drivers_robot_and_it_clears_only_by_the_rules(station):
    here = station(*SMALL, "--token", "supervisor-1", "--viewer-token", "viewer-22")
    boss, viewer = {"Authorization": "Bearer supervisor-1"}, {"Authorization": "Bearer viewer-22"}

    async def play():
        async with Operator(here, "Ada", fields=boss) as ada, Operator(here, "Vera", fields=viewer) as vera:
            assert vera.welcome["rights"] == [] and "estop.clear" in ada.welcome["rights"]
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves")
            vera.say({"type": "estop"}, vera.control)
            await ada.until(lambda: ada.safety["latched"] and not ada.is_moving, "it stands and is latched")
            assert ada.safety["latched_by"] == "Vera" and ada.safety["reason"] == "estop"
            epoch = ada.lease["epoch"]
            refused = await vera.ask({"type": "clear", "epoch": epoch})
            assert refused["error"]["code"] == "no_right"
            await ada.keep(0.2, vx=0.1)
            refused = await ada.ask({"type": "clear", "epoch": ada.lease["epoch"]})
            assert refused["error"]["code"] == "not_at_rest"
            refused = await ada.ask({"type": "clear", "epoch": ada.lease["epoch"] - 1})
            assert refused["error"]["code"] == "old_epoch"
            await ada.keep(0.2)
            ada.drive()
            assert (await ada.ask({"type": "clear", "epoch": ada.lease["epoch"]}))["ok"]
            await ada.until(lambda: not ada.safety["latched"], "cleared")
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves again")

    run_async(play())


def test_http_pulls_the_emergency_stop(station):
    here = station(*SMALL)
    assert json.loads(here.request("POST", "/api/robots/rover/estop").text) == {"latched": True}
    assert here.state()["safety"]["latched"]
    assert here.request("POST", "/api/robots/nobody/estop").status == 404


def test_a_session_answers_only_under_its_own_robots_name(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            elsewhere = ada.location.replace("/rover/", "/dog/")
            for method in ["DELETE", "PATCH"]:
                assert (await asyncio.to_thread(here.request, method, elsewhere)).status == 404
            await ada.acquire()

    run_async(play())


@pytest.mark.parametrize("end", ["close", "delete", "channel"])
def test_the_end_of_a_session_that_drives_stops_at_once(station, end):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada, Operator(here, "Bob") as bob:
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves")
            if end == "close":
                await ada.pc.close()
            elif end == "delete":
                assert (await asyncio.to_thread(here.request, "DELETE", ada.location)).status == 200
            else:
                ada.control.close()
            await bob.until(lambda: any(event["type"] == "stop" and event["reason"] == "link_lost" for event in bob.events), "the stop is told")
            await bob.until(lambda: not bob.is_moving, "it stands")

    run_async(play())


def test_what_is_no_message_is_told_and_disturbs_nobody(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada, Operator(here, "Noise") as noise:
            await ada.acquire()
            await ada.rest()
            began = time.monotonic()
            for text in ["", "{", "[]", "null", '{"type":"drive"}', '{"type":"fly"}', '{"type":1}', "x" * 5000, "\x00\xff",
                         '{"type":"lease","action":"take"}', '{"type":"drive","epoch":1e99,"seq":-1,"t":{},"hold":2,"vx":[]}']:
                noise.say(text, noise.control)
                noise.say(text, noise.state)
                noise.say(text.encode("utf-8", "replace") + b"\xff\xfe", noise.state)
                await ada.keep(0.05, vx=0.05)
            await noise.until(lambda: noise.errors, "an error is told")
            assert len(noise.errors) <= 17 + 5 * (time.monotonic() - began), "at most five a second"
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="Ada still drives")
            noise.say({"type": "motor", "left": 1, "right": 1}, noise.control)
            await ada.keep(vx=0.1, until=lambda: ada.telemetry["counts"]["by_rule"].get("authority", 0) >= 1,
                           what="who does not hold the lease is refused, and it shows")

    run_async(play())


def test_the_compact_motor_form_drives(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            await ada.acquire()
            ada.say({"type": "motor", "left": 0, "right": 0}, ada.control)
            start = ada.telemetry["pose"]["x"]
            deadline = time.monotonic() + 15
            while ada.telemetry["pose"]["x"] <= start + 0.05:
                assert time.monotonic() < deadline, ada.telemetry
                # On a busy machine it may have to stop in between.
                speed = 0 if ada.safety["rest_needed"] else 0.5
                ada.say({"type": "motor", "left": speed, "right": speed}, ada.control)
                await asyncio.sleep(1 / 30)
            assert ada.telemetry["command"]["applied"]["vx"] <= 0.1 + 1e-6, "a plain client is blind, and so slow"

    run_async(play())


def test_actions_are_acknowledged_once_and_done_once(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            refused = await ada.ask({"type": "action", "epoch": 0, "name": "treat"})
            assert refused["error"]["code"] == "not_holder"
            await ada.acquire()
            message = {"type": "action", "epoch": ada.lease["epoch"], "name": "light", "argument": "#ff0000", "nonce": 99}
            ada.say(message)
            ada.say(message)
            await ada.until(lambda: len(ada.acks.get(99, [])) == 2, "two answers")
            assert ada.acks[99][0] == ada.acks[99][1] and ada.acks[99][0]["ok"]
            await ada.until(lambda: ada.telemetry["light"] == "#ff0000", "the light is red")
            ack = await ada.ask({"type": "action", "epoch": ada.lease["epoch"], "name": "explode"})
            assert ack["error"]["code"] == "unknown_action" and "treat" in ack["error"]["message"]
            ack = await ada.ask({"type": "action", "epoch": ada.lease["epoch"], "name": "light", "argument": "red"})
            assert ack["error"]["code"] == "bad_argument" and "#rrggbb, got red" in ack["error"]["message"]
            assert (await ada.ask({"type": "action", "epoch": ada.lease["epoch"], "name": "treat"}))["ok"]
            await ada.keep(until=lambda: ada.telemetry["completed"].get("treat") == 1, what="a treat fell")
            assert (await ada.ask({"type": "mode", "epoch": ada.lease["epoch"], "name": "slow"}))["ok"]
            await ada.until(lambda: ada.safety["mode"] == "slow", "the mode is shown")

    run_async(play())
    metrics = here.request("GET", "/metrics").text.decode()
    for command, outcome, count in [("action", "ok", 2), ("action", "not_holder", 1), ("action", "unknown_action", 1),
                                    ("action", "bad_argument", 1), ("mode", "ok", 1), ("lease", "ok", 1)]:
        assert f'waldo_discrete_commands_total{{robot="rover",command="{command}",outcome="{outcome}"}} {count}\n' in metrics, metrics


def test_a_stranger_does_not_disturb_what_the_driver_is_told(station):
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada, Operator(here, name="Bob") as bob:
            await ada.acquire()
            await ada.rest()
            seen = set()
            for number in range(40):
                bob.say({"type": "drive", "epoch": ada.lease["epoch"], "seq": number + 1, "t": number, "hold": True, "vx": 0.4})
                await ada.keep(0.05, vx=0.05)
                seen.add(ada.telemetry["command"]["asked"]["vx"])
            await bob.until(lambda: bob.telemetry["command"]["refused"] == "authority", "Bob is told what became of his")
            assert seen <= {0, 0.05}, seen

    run_async(play())


def test_a_station_that_was_stopped_for_a_while_has_a_robot_that_stands(station):
    """The whole process held up: what it said before must not go on when it wakes."""
    here = station(*SMALL)

    async def play():
        async with Operator(here) as ada:
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves")
            os.kill(here.process.pid, signal.SIGSTOP)
            await asyncio.sleep(1.0)
            os.kill(here.process.pid, signal.SIGCONT)
            await ada.until(lambda: ada.safety["state"] == "stopped" and not ada.is_moving, "it stands")

    run_async(play())


def test_access_is_by_token_where_there_is_one(station):
    here = station(*SMALL, "--token", "supervisor-1")
    assert here.request("GET", "/api/robots").status == 401
    assert here.request("GET", "/api/robots", fields={"Authorization": "Bearer wrong-wrong"}).status == 401
    assert here.request("GET", "/api/robots", fields={"Authorization": "Bearer supervisor-1"}).status == 200
    assert here.request("GET", "/api/robots?token=supervisor-1").status == 200
    assert here.request("GET", "/api/robots", fields={"Cookie": "a=b; waldo_token=supervisor-1"}).status == 200
    assert here.request("GET", "/api/health").status == 200
    assert here.request("GET", "/").status == 401
    page = here.request("GET", "/", fields={"Accept": "text/html"})
    assert page.status == 401 and b"asks for its token" in page.text
    assert b"asks for its token" in here.request("GET", "/?token=wrong-wrong", fields={"Accept": "text/html"}).text


def test_pages_of_other_sites_and_names_that_lead_here_are_refused(station):
    here = station(*SMALL)
    for fields, status in [({"Host": "evil.example"}, 403), ({"Host": f"localhost:{here.port}"}, 200)]:
        assert here.request("GET", "/api/robots", fields=fields).status == status, fields
    refused = here.request("POST", "/api/robots/rover/estop", fields={"Origin": "http://evil.example"})
    assert refused.status == 403 and not here.state()["safety"]["latched"]
    assert here.request("POST", "/api/robots/rover/estop", fields={"Origin": here.url}).status == 200
    # What an address carries goes into no header: line ends in it once ended the process.
    answer = here.request("GET", "/?token=a%0d%0aX-Evil:%201")
    assert answer.status == 200 and not {"X-Evil", "Set-Cookie"} & set(answer.headers)


def test_another_address_of_this_machine_is_named_and_answers(station):
    here = station(*SMALL, "--bind", "127.0.0.2", address="127.0.0.2")
    assert f"Open http://127.0.0.2:{here.port}/ in a browser." in here.log
    assert here.request("GET", "/api/robots").status == 200
    assert here.request("GET", "/api/robots", fields={"Host": "evil.example"}).status == 403


def jpeg_size(data):
    """(width, height) of its baseline frame header (ITU-T T.81 clause B.2.2)."""
    place = data.index(b"\xff\xc0")
    return int.from_bytes(data[place + 7:place + 9], "big"), int.from_bytes(data[place + 5:place + 7], "big")


def test_pictures_by_http(station):
    here = station(*SMALL)
    for path in ["/snapshot.jpg", "/api/robots/rover/snapshot.jpg?camera=room"]:
        picture = wait_until(lambda: (found := here.request("GET", path)).status == 200 and found, "a picture")
        assert picture.headers["Content-Type"] == "image/jpeg" and picture.text[:3] == b"\xff\xd8\xff" and picture.text[-2:] == b"\xff\xd9"
    assert here.request("GET", "/snapshot.jpg?camera=attic").status == 404
    small = here.request("GET", "/snapshot.jpg?width=100").text
    assert jpeg_size(small) == (96, 54) and here.request("GET", "/snapshot.jpg?width=1").status == 400
    assert here.request("GET", "/video_feed?fps=1000").status == 400


def test_single_pictures_do_not_make_a_slow_reader_a_fast_one(station):
    here = station(*SMALL)
    wait_until(lambda: here.request("GET", "/snapshot.jpg").status == 200, "a picture")
    with socket.create_connection(("127.0.0.1", here.port), timeout=5) as reader:
        reader.sendall(b"GET /video_feed?fps=1&width=160 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        read = reader.recv(65536)
        for _ in range(100):
            assert here.request("GET", "/snapshot.jpg?width=160").status == 200
        reader.setblocking(False)
        try:
            while more := reader.recv(65536):
                read += more
        except BlockingIOError:
            pass
    assert read.startswith(b"HTTP/1.1 200 ") and 1 <= read.count(b"--frame\r\n") < 50


def test_settings_come_from_the_file_the_environment_and_the_command_line(binary, tmp_path):
    import subprocess

    file = tmp_path / "waldo.json"
    file.write_text('{"port": 8123, "profile": "wan", "bitrate": 900, "record": true, "camera": ["videotestsrc", "rear=v4l2src"]}')
    environment = {**os.environ, "WALDO_CONFIG": str(file), "WALDO_PROFILE": "lan", "WALDO_TOKEN": "secret-token"}
    shown = subprocess.run([binary, "config", "--bitrate", "700"], capture_output=True, text=True, env=environment, timeout=10)
    assert shown.returncode == 0, shown.stderr
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.stdout.splitlines() if line}
    assert lines["port"] == f"8123 [{file}: port]"
    assert lines["profile"] == "lan [WALDO_PROFILE]"
    assert lines["bitrate"] == "700 [--bitrate]"
    assert lines["record"] == f"true [{file}: record]"
    assert lines["token"] == "(set) [WALDO_TOKEN]"
    assert lines["media-port"] == "0 [default]"
    assert lines["camera"] == f"videotestsrc | rear=v4l2src [{file}: camera]"
    file.write_text('{"bitrate": [900]}')
    refused = subprocess.run([binary, "config"], capture_output=True, text=True, env=environment, timeout=10)
    assert refused.returncode == 2 and "bitrate: expected a text, a number, true or false" in refused.stderr, refused.stderr


@pytest.mark.parametrize("variable, value", [("WALDO_SIZE", "63x64"), ("WALDO_QUALITY", "ultra"), ("WALDO_LOG_LEVEL", "loud"), ("WALDO_LOG_FORMAT", "xml")])
def test_what_up_would_refuse_config_refuses_with_where_it_comes_from(binary, variable, value):
    import subprocess

    shown = subprocess.run([binary, "config"], capture_output=True, text=True, env={**os.environ, variable: value}, timeout=10)
    assert shown.returncode == 2 and f"{variable}: expected" in shown.stderr and f"`{value}`" in shown.stderr, (shown.returncode, shown.stderr)


@pytest.mark.parametrize("options, words", [
    (["--port", "x"], ["--port", "whole number", "`x`"]),
    (["--profile", "moon"], ["--profile", "lan, wan", "`moon`"]),
    (["--world", "/nowhere/house.xml"], ["/nowhere/house.xml"]),
    (["--console", "/nowhere"], ["/nowhere", "--console"]),
    (["--console", "/proc"], ["/proc", "index.html", "--console"]),
    (["--encoder", "moon"], ["--encoder", "openh264, x264 or gst:ELEMENT", "`moon`"]),
    (["--bind", "kitchen"], ["--bind", "IP address", "`kitchen`"]),
    (["--config", "/nowhere.json"], ["/nowhere.json", "No such file"]),
    (["--record", "--data", "/proc/nowhere"], ["/proc/nowhere", "--data"]),
    (["--token", "short"], ["--token", "8 to 256"]),
])
def test_what_cannot_be_is_said_plainly(binary, options, words):
    import subprocess

    done = subprocess.run([binary, "up", "--port", "0", *options], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2, (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def test_a_taken_port_is_said_with_what_to_do(binary, station):
    import subprocess

    here = station(*SMALL)
    done = subprocess.run([binary, "up", "--port", str(here.port)], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "--port" in done.stderr, done.stderr


def test_what_was_recorded_is_replayed(binary, station, tmp_path):
    import subprocess

    here = station(*SMALL, "--record")

    async def play():
        async with Operator(here) as ada:
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.telemetry["pose"]["x"] > 0.05, what="it moves")
            await ada.until(lambda: ada.safety["state"] == "stopped", "it stops by silence")
            assert ada.telemetry["recording"]
            assert not (await ada.ask({"type": "action", "epoch": ada.lease["epoch"], "name": "explode"}))["ok"]
            return await ada.until(lambda: (told := silences(ada)) == here.metrics()['waldo_stops_total{robot="rover",reason="silence"}'] and told,
                                   "each stop is told")

    stops = run_async(play())
    assert here.stop() is None
    here.stop = lambda: None
    [file] = (tmp_path / "recordings").glob("*.mcap")
    done = subprocess.run([binary, "replay", str(file), "--json"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["files"][0]["complete"] and summary["stops"]["silence"] == stops >= 1, summary
    assert summary["distance_m"] > 0.05 and summary["commands"]["refused"]["unknown_action"] == 1, summary


def test_the_end_of_the_terminal_ends_it_as_ctrl_c_does(binary, station, tmp_path):
    import subprocess

    # Tests that run under nohup have it ignored, and so would what they start.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    here = station(*SMALL, "--record")
    signal.signal(signal.SIGHUP, before)

    async def play():
        async with Operator(here) as ada:
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves")
            here.process.send_signal(signal.SIGHUP)
            assert await asyncio.to_thread(here.process.wait, 15) == 0

    run_async(play())
    here.stop = lambda: None
    [file] = (tmp_path / "recordings").glob("*.mcap")
    summary = json.loads(subprocess.run([binary, "replay", str(file), "--json"], capture_output=True, timeout=30, check=True).stdout)
    assert summary["files"][0]["complete"] and summary["stops"]["manual"] == 1, summary


def test_nohup_keeps_it(binary):
    import subprocess

    process = subprocess.Popen(
        ["nohup", binary, "up", "--port", "0", *SMALL], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert any("Ctrl+C" in line for line in process.stdout)
        blocked = re.search(r"SigBlk:\s*(\S+)", pathlib.Path(f"/proc/{process.pid}/status").read_text())[1]
        assert not int(blocked, 16) & 1 << signal.SIGHUP - 1, "SIGHUP is left to be ignored"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0
