"""`waldo client`, a signalling server, and plain peers for the tests: a process each, lines in, lines out. Every wait is bounded."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import uuid

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from conftest import wait_until

HERE = pathlib.Path(__file__).parent
# Generous: others use this machine, too.
PATIENCE = 40.0
# A picture that two cores can draw, encode and decode beside everything else.
SMALL = ("--size", "320x240", "--rate", "30")
MARKS_OF_A_TRACE = re.compile(r"Fatal error|Crash|Traceback|Illegal instruction|stack dump|Current stack trace|Segmentation", re.IGNORECASE)


class Lines:
    """A process that says lines. `expect` goes through them once, in order; `count` and `find` look at all of them."""

    def __init__(self, command, namespace=None, environment=None, pipe=True):
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        # Nothing that is set here may reach a program under test.
        usual = {name: value for name, value in os.environ.items()
                 if not name.startswith(("WALDO_", "TELEOP_", "ICE_SERVERS", "SIGNALING_", "DISPLAY", "WAYLAND_"))}
        self.command = [str(word) for word in command]
        self.options = self.command[1:]
        self.process = subprocess.Popen(
            prefix + self.command, stdin=subprocess.PIPE if pipe else subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**usual, "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})})
        self.lines, self.times, self.errors = [], [], []
        self.at = 0
        self._news = threading.Condition()
        self._reads = threading.Event()
        self._reads.set()
        self._readers = [threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self._readers:
            reader.start()

    def _read(self):
        for line in self.process.stdout:
            self._reads.wait()
            with self._news:
                self.lines.append(line.decode(errors="replace").rstrip("\n"))
                self.times.append(time.monotonic())
                self._news.notify_all()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.decode(errors="replace").rstrip("\n"))

    @contextlib.contextmanager
    def held(self):
        """Nobody reads what it says meanwhile, as on a terminal after Ctrl+S."""
        self._reads.clear()
        try:
            yield
        finally:
            self._reads.set()

    @property
    def log(self):
        return "\n".join(self.lines[-60:] + ["-- standard error:"] + self.errors[-40:])

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    @staticmethod
    def _is(wanted, line):
        return line == wanted if isinstance(wanted, str) else wanted.fullmatch(line)

    def expect(self, wanted, timeout=PATIENCE):
        """The next line that is the text `wanted`, or that the pattern matches; those before it are passed over."""
        deadline = time.monotonic() + timeout
        start = self.at
        with self._news:
            while True:
                for place in range(self.at, len(self.lines)):
                    if found := self._is(wanted, self.lines[place]):
                        self.at, self.last = place + 1, self.times[place]
                        return self.lines[place] if found is True else found
                if not self._news.wait(min(0.5, max(0, deadline - time.monotonic()))) and time.monotonic() > deadline:
                    pytest.fail(f"expected {wanted!r} within {timeout:g} s after line {start} of {self.options}:\n{self.log}")

    def forward(self):
        """What has been said until now is passed over."""
        self.at = len(self.lines)

    def find(self, wanted):
        return [line for line in list(self.lines) if self._is(wanted, line)]

    def count(self, wanted):
        return len(self.find(wanted))

    def kill(self, sign=signal.SIGKILL):
        self.process.send_signal(sign)
        self.process.wait(10)

    def close(self):
        """Ends it in any case; answers what was wrong with that, or None."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for reader in self._readers:
            reader.join(5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe and pipe.close()
            except OSError:
                pass


FRAMES = re.compile(r"Received (\d+) frames \((\d+)x(\d+)\)")
SENT = re.compile(r"Action sent: (.*)")
RECEIVED = re.compile(r"Action received: (.*)")


class Client(Lines):
    """`waldo client` or `waldo operator`."""

    # Whether an end with another status than 0 is none to complain of.
    may_end = False

    def frames(self):
        found = self.find(FRAMES)
        return int(FRAMES.fullmatch(found[-1]).group(1)) if found else 0

    def more_frames(self, count=30, timeout=PATIENCE):
        wanted = self.frames() + count
        return wait_until(lambda: self.frames() >= wanted, f"{wanted} frames; {self.log}", timeout)

    def connected(self, timeout=PATIENCE):
        self.expect("Connection state: connected", timeout)
        return self

    def more_actions(self, count=2, timeout=PATIENCE):
        wanted = self.count(RECEIVED) + count
        wait_until(lambda: self.count(RECEIVED) >= wanted, f"{wanted} commands received; {self.log}", timeout)

    def stop(self, sign=signal.SIGINT):
        """Ends it as Ctrl+C does: the program itself gives up with 1 when that takes it more than 2 s (specs: teleop-client clause 11)."""
        self.process.send_signal(sign)
        status = self.process.wait(10)
        for reader in self._readers:
            reader.join(5)
        assert status == 0, f"ended with {status}: {self.log}"
        assert self.lines[-1] == "Bye." and "Shutting down…" in self.lines, self.log
        return self

    def close(self):
        fault = None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                status = self.process.wait(10)
                fault = f"ended with {status} after SIGTERM" if status else None
            except subprocess.TimeoutExpired:
                fault = "did not end within 10 s of SIGTERM"
        elif self.process.returncode not in (0, -signal.SIGKILL) and not self.may_end:
            fault = f"ended by itself with {self.process.returncode}"
        super().close()
        if MARKS_OF_A_TRACE.search("\n".join(self.lines + self.errors)):
            fault = "left a trace"
        return fault


class Hub(Lines):
    """The signalling server of a test: `waldo signal`, or (no `binary`) a plain one that says how each client ended."""

    def __init__(self, binary=None, address="127.0.0.1", port=0, namespace=None):
        self.binary, self.address = binary, address
        program = [binary, "signal", "--bind", address, "--port", port] if binary else [sys.executable, HERE / "signal_hub.py", address, port]
        super().__init__(program, namespace)
        self.url = self.expect(re.compile(r".*(ws://\S+:\d+).*")).group(1)
        self.port = int(self.url.rsplit(":", 1)[1])

    def again(self):
        """Another one in the place of this one, which has ended."""
        return Hub(self.binary, self.address, self.port)


class Third:
    """Somebody else on the signalling server, who hears everything."""

    options = ["somebody else on the signalling server"]

    def __init__(self, url):
        self._open = contextlib.ExitStack()
        self.socket = self._open.enter_context(connect(url, max_size=None, compression=None))
        self.heard = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        try:
            for text in self.socket:
                self.heard.append((time.monotonic(), text))
        except (ConnectionClosed, OSError):
            pass

    def say(self, message):
        self.socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))

    @property
    def log(self):
        return "\n".join(text[:200] for _, text in self.heard[-40:])

    def messages(self, kind=None, since=0, **fields):
        """Those that were heard, from number `since` on."""
        found = []
        for _, text in self.heard[since:]:
            try:
                message = json.loads(text)
            except ValueError:
                continue
            if (kind is None or message.get("type") == kind) and all(message.get(name) == value for name, value in fields.items()):
                found.append(message)
        return found

    def hears(self, kind, count=1, since=0, timeout=PATIENCE, **fields):
        """The last of `count` such messages."""
        return wait_until(
            lambda: len(found := self.messages(kind, since, **fields)) >= count and found[count - 1],
            f"{count} x {kind} {fields}; heard {self.log}", timeout)

    def close(self):
        self._open.close()


class Stage:
    """What a test has on the stage; all of it goes at the end, and clients of ours are looked at as they do."""

    def __init__(self, binary, parts):
        self.binary, self.parts, self.faults = binary, parts, []
        self._hub = None

    def add(self, part):
        self.parts.append(part)
        return part

    @property
    def hub(self):
        if not self._hub:
            self._hub = self.add(Hub(self.binary))
        return self._hub

    @hub.setter
    def hub(self, hub):
        self._hub = self.add(hub)

    def client(self, *words, signaling=True, namespace=None, environment=None, pipe=False):
        """Host candidates alone, unless something else is asked for."""
        words = list(words)
        if signaling:
            words += ["--signaling", self.hub.url]
            if "--ice-server" not in words and "ICE_SERVERS" not in (environment or {}):
                words += ["--ice-server", "none"]
        return self.add(Client([self.binary, *words], namespace, environment, pipe))

    def robot(self, *options, **where):
        camera = () if "--drive" in options or "--camera" in options else ("--camera", "test")
        size = () if "--size" in options else SMALL
        return self.client("client", "--role", "robot", *camera, *size, *options, **where)

    def operator(self, *options, **where):
        return self.client("operator", "--headless", *options, pipe="stdin" in options, **where)

    def plain(self, role, *more):
        return self.add(Lines([sys.executable, HERE / "plain_client.py", role, self.hub.url, *more]))

    def third(self):
        return self.add(Third(self.hub.url))

    def close(self):
        # The signalling server last: clients say goodbye there.
        for part in sorted(self.parts, key=lambda part: isinstance(part, Hub)):
            if fault := part.close():
                self.faults.append(f"{part.options}: {fault}\n{part.log}")


@pytest.fixture
def stage(binary, request):
    request.node.clients = parts = []
    made = Stage(binary, parts)
    yield made
    made.close()
    assert not made.faults, "\n\n".join(made.faults)


@pytest.fixture(scope="module")
def shared(binary):
    """A stage for the tests of a file that leave no traces on it."""
    made = Stage(binary, [])
    yield made
    made.close()
    assert not made.faults, "\n\n".join(made.faults)


def new_name():
    return uuid.uuid4().hex[:16]
