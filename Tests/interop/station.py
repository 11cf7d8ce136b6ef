"""`waldo up` for the tests, and an operator who speaks docs/teleop-protocol.md through aiortc, without a picture."""

import asyncio
import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from conftest import Response, wait_until

# A picture that two cores can draw, encode and decode beside everything else.
SMALL = ("--size", "640x360", "--bitrate", "800")


class Station:
    """`robot`: its first robot's id. `words`: another command that serves as a station does."""

    def __init__(self, binary, directory, options, address="127.0.0.1", environment=None, namespace=None, robot="rover", words=None):
        self.options = [str(option) for option in options]
        self.address, self.robot = address, robot
        self.log_path = directory / f"station-{time.monotonic_ns()}.log"
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        command = prefix + [binary, *(words or ("up", "--data", str(directory))), "--port", "0"] + self.options
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=environment)
        found = wait_until(
            lambda: re.search(r"https?://[^ ]+:(\d+)/(\?token=(\S+))?", self.log) or self.process.poll() is not None,
            "the station says its address", timeout=30)
        if found is True:
            pytest.fail(f"`{' '.join(command)}` ended with {self.process.returncode}: {self.log}")
        self.port, self.token = int(found.group(1)), found.group(3)
        self.url = f"http://{address}:{self.port}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def request(self, method, path, body=None, fields=None, timeout=10.0):
        request = urllib.request.Request(self.url + path, method=method, data=body.encode() if isinstance(body, str) else body)
        for name, value in (fields or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Response(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            return Response(error.code, error.headers, error.read())

    def json(self, path):
        return json.loads(self.request("GET", path).text)

    def state(self):
        return self.json(f"/api/robots/{self.robot}/state")

    def metrics(self):
        lines = [line for line in self.request("GET", "/metrics").text.decode().splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def encoders(self):
        return {name for name in self.metrics() if name.startswith("waldo_encoder{") and 'figure="frames"' in name}

    def stop(self):
        """Ends it as Ctrl+C does; answers what was wrong with its end, or None."""
        if self.process.poll() is not None:
            return f"ended by itself with {self.process.returncode}"
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            return "did not end within 15 s of SIGINT"
        return f"ended with {status} after SIGINT" if status else None


def hold_until(station, down, up, condition, what, timeout=60.0):
    """Holds a key until something is so, and leaves it down. On a busy machine the robot may have to stop in between (an old picture, silence):
    then it moves again only after the key has been up."""
    deadline = time.monotonic() + timeout
    while True:
        down()
        pressed = time.monotonic()
        while not condition():
            assert time.monotonic() < deadline, f"after {timeout:g} s still not: {what}; {station.state()}"
            if time.monotonic() > pressed + 1 and station.state()["safety"]["rest_needed"]:
                break
            time.sleep(0.05)
        else:
            return
        up()
        wait_until(lambda: not station.state()["safety"]["rest_needed"], "the stick was at rest", timeout)


@pytest.fixture
def station(binary, tmp_path, request):
    """station("--profile", "wan", …) starts one; all are ended, and their ends checked, after the test."""
    stations = request.node.servers = []

    def start(*options, **where):
        made = Station(binary, tmp_path, options, **where)
        stations.append(made)
        return made

    yield start
    faults = [f"{made.options}: {fault}\n{made.log}" for made in stations if (fault := made.stop())]
    assert not faults, "\n".join(faults)


class Operator:
    """A client without a picture. Used inside one event loop: `async with Operator(station) as ada`."""

    def __init__(self, station, name="Ada", view="none", fields=None, patience=0.0):
        """`patience`: seconds during which it comes back when it was told that there are too many offers."""
        self.station, self.name, self.view, self.fields = station, name, view, fields or {}
        self.patience = patience
        self.telemetry, self.lease, self.welcome = None, None, None
        self.events, self.acks, self.errors = [], {}, []
        self.nonce, self.sequence = 0, 0

    async def __aenter__(self):
        self.pc = RTCPeerConnection()
        self.control = self.pc.createDataChannel("control", ordered=False, maxRetransmits=0)
        self.state = self.pc.createDataChannel("state")
        self.opened = {self.control.label: asyncio.Event(), self.state.label: asyncio.Event()}
        for channel in (self.control, self.state):
            channel.on("open", self.opened[channel.label].set)
            channel.on("message", self._take)
        await self.pc.setLocalDescription(await self.pc.createOffer())
        deadline = time.monotonic() + self.patience
        while True:
            answer = await asyncio.to_thread(
                self.station.request, "POST", f"/whep/{self.station.robot}", self.pc.localDescription.sdp,
                {"Content-Type": "application/sdp", **self.fields})
            if answer.status != 429 or time.monotonic() > deadline:
                break
            await asyncio.sleep(int(answer.headers["Retry-After"]))
        assert answer.status == 201, answer
        self.location = answer.headers["Location"]
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.text.decode(), "answer"))
        for event in self.opened.values():
            await asyncio.wait_for(event.wait(), 15)
        await self.until(lambda: self.welcome and self.telemetry, "a welcome, and telemetry")
        self.say({"type": "hello", "name": self.name, "view": self.view})
        return self

    async def __aexit__(self, *_):
        await self.pc.close()

    def _take(self, text):
        message = json.loads(text)
        match message["type"]:
            case "telemetry":
                self.telemetry = message
            case "lease":
                self.lease = message
            case "welcome":
                self.welcome = message
            case "ack":
                self.acks.setdefault(message["nonce"], []).append(message)
            case "error":
                self.errors.append(message["message"])
            case _:
                self.events.append(message)

    def say(self, message, channel=None):
        (channel or self.state).send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    async def until(self, condition, what, timeout=15.0):
        deadline = time.monotonic() + timeout
        while not (value := condition()):
            assert time.monotonic() < deadline, f"after {timeout:g} s still not: {what}; telemetry {self.telemetry}, errors {self.errors}"
            await asyncio.sleep(0.01)
        return value

    async def ask(self, message):
        """The acknowledgement."""
        self.nonce += 1
        nonce = self.nonce
        self.say({**message, "nonce": nonce})
        return (await self.until(lambda: self.acks.get(nonce), f"an acknowledgement of {message}"))[0]

    async def acquire(self):
        ack = await self.ask({"type": "lease", "action": "acquire"})
        assert ack["ok"], ack
        await self.until(lambda: self.lease and self.lease["yours"] and self.lease["state"] == "held", "the lease is ours")

    def drive(self, vx=0.0, vyaw=0.0, hold=True, **changes):
        self.sequence += 1
        self.say({"type": "drive", "epoch": self.lease["epoch"], "seq": self.sequence, "t": time.monotonic() * 1000, "seen": 0,
                  "hold": hold, "vx": vx, "vy": 0, "vyaw": vyaw, **changes}, self.control)

    async def keep(self, seconds=None, vx=0.0, vyaw=0.0, until=None, what="", **changes):
        """Drives at 30 Hz for so long, or until `until` holds: then it lets go and goes on where a busy machine has stopped the robot."""
        deadline = time.monotonic() + (seconds or 15.0)
        while time.monotonic() < deadline:
            moves = not until or not self.safety["rest_needed"]
            self.drive(vx if moves else 0.0, vyaw if moves else 0.0, **changes)
            if until and until():
                return
            await asyncio.sleep(1 / 30)
        assert not until, f"after {seconds or 15:g} s still not: {what}; telemetry {self.telemetry}"

    async def creep(self, distance, timeout=120.0):
        """Drives so far forward, m, with or without the lease at first. A busy machine may stop the robot in between: it lets go and goes on."""
        start, deadline = self.telemetry["pose"]["x"], time.monotonic() + timeout
        while self.telemetry["pose"]["x"] < start + distance:
            assert time.monotonic() < deadline, f"after {timeout:g} s still not {distance} m farther; telemetry {self.telemetry}"
            if not (self.lease and self.lease["yours"] and self.lease["state"] == "held"):
                await self.acquire()
            self.drive(0.0 if self.safety["rest_needed"] else 0.1)
            await asyncio.sleep(1 / 30)

    async def rest(self):
        await self.keep(until=lambda: self.telemetry and not self.telemetry["safety"]["rest_needed"], what="the stick was at rest")

    @property
    def safety(self):
        return self.telemetry["safety"]

    @property
    def is_moving(self):
        return abs(self.telemetry["velocity"]["vx"]) > 0.02
