"""`waldo-monitor` for the tests: each in a network namespace of its own, where nothing of this machine disturbs it; ZeroMQ
publishers in the same namespace. Every wait is bounded."""

import ctypes
import http.client
import itertools
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
import zmq

from conftest import Response, ip, wait_until
from monitor_client import Client, frame  # noqa: F401

CLONE_NEWNET = 0x40000000
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = itertools.count(1)


class Room:
    """A network namespace with a loopback interface and nothing else."""

    def __init__(self):
        if os.geteuid() != 0:
            pytest.fail("network namespaces need root: run ./waldo test, which asks for it, or these tests as root")
        self.name = f"waldom{os.getpid() % 100_000}n{next(NUMBERS)}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        self.ends = []

    def call(self, function, *arguments):
        """The value of a call in the namespace: sockets, and threads that it makes, stay there."""
        outcome = {}

        def body():
            descriptor = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
            try:
                if LIBC.setns(descriptor, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
                outcome["value"] = function(*arguments)
            except BaseException as error:
                outcome["error"] = error
            finally:
                os.close(descriptor)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        thread.join(60)
        assert not thread.is_alive(), f"{function} did not end within 60 s"
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def within(self, *command):
        """The words that run a command there."""
        return ["ip", "netns", "exec", self.name, *(str(word) for word in command)]

    def start(self, *command, **how):
        """A process there, which ends with the test."""
        process = subprocess.Popen(self.within(*command), **{"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **how})
        self.ends.append(lambda: end(process))
        return process

    def connect(self, port, address="127.0.0.1", timeout=10):
        return self.call(lambda: socket.create_connection((address, port), timeout=timeout))

    def listen(self, port, address="127.0.0.1"):
        return self.call(lambda: socket.create_server((address, port)))

    def datagrams(self, address=("127.0.0.1", 0)):
        def make():
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind(address)
            return made
        return self.call(make)

    def free_port(self):
        with self.listen(0) as listener:
            return listener.getsockname()[1]

    def zmq(self, kind, bind=None, connect=None):
        """A socket whose context, and its threads, are in the namespace."""
        def make():
            context = zmq.Context()
            made = context.socket(kind)
            try:
                if bind:
                    made.bind(f"tcp://127.0.0.1:{bind}")
                if connect:
                    made.connect(f"tcp://127.0.0.1:{connect}")
            except BaseException:
                context.destroy(0)
                raise
            return made
        made = self.call(make)
        self.ends.append(lambda: made.context.destroy(0))
        return made

    def join(self, other, own="203.0.113.1", others="203.0.113.2"):
        """A pair of virtual cables between two rooms: cards that nobody outside sees. Ports that the kernel chooses are in `media`."""
        ip("-n", self.name, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other.name)
        for room, address in ((self, own), (other, others)):
            room.address = address
            ip("-n", room.name, "address", "add", f"{address}/30", "dev", "eth0")
            ip("-n", room.name, "link", "set", "eth0", "up")
            ip("-n", room.name, "route", "add", "default", "dev", "eth0")
            subprocess.run(room.within("sysctl", "-qw", "net.ipv4.ip_local_port_range=40000 50000"), check=True, timeout=10)

    def remove(self):
        for each in reversed(self.ends):
            each()
        ip("netns", "delete", self.name, check=False)


def end(process, patience=5):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            pipe.close()


class Publisher(threading.Thread):
    """Publishes what `message(number)` gives, at a rate, until `stop`. `started` and `ended`: of the first and the last message.
    `catches_up`: what a busy machine has left out follows at once."""

    def __init__(self, room, port, rate=50.0, message=None, kind=zmq.PUB, target=None, catches_up=True):
        super().__init__(daemon=True)
        self.socket = target or room.zmq(kind, bind=port)
        self.catches_up = catches_up
        self.rate, self.message = rate, message or (lambda number: json.dumps({"type": "move", "operator": "ada", "x": number}).encode())
        self.stopping, self.count, self.started, self.ended = threading.Event(), 0, None, None

    def run(self):
        self.started = due = time.monotonic()
        while not self.stopping.is_set():
            message = self.message(self.count)
            self.socket.send_multipart(message) if isinstance(message, list) else self.socket.send(message)
            self.ended = time.monotonic()
            self.count += 1
            due = due + 1 / self.rate if self.catches_up else time.monotonic() + 1 / self.rate
            self.stopping.wait(max(0, due - time.monotonic()))

    def stop(self):
        self.stopping.set()
        self.join(10)
        assert not self.is_alive()
        return self

    def close(self):
        """Its port is free afterwards."""
        self.stop()
        self.socket.context.destroy(0)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()


class Monitor:
    """One monitor. `before`: words in front of the program; `environment`: beside PATH."""

    def __init__(self, binary, room, directory, *flags, environment=None, before=(), port=None, wait=True, config=None, namespace=None, **how):
        self.program = str(pathlib.Path(binary).with_name("waldo-monitor"))
        self.room, self.port = room, port or 8765
        self.namespace = namespace or f"waldo{os.getpid()}_{next(NUMBERS)}"
        self.clients = []
        if config is not None:
            path = directory / f"monitor-{next(NUMBERS)}.json"
            path.write_text(json.dumps(config))
            flags = (*flags, "--config", path)
        self.options = [str(flag) for flag in flags]
        if port is not None or "WEBSOCKET_PORT" not in (environment or {}) and not (config or {}).get("websocket_port"):
            self.options += ["--websocket-port", str(self.port)]
        if namespace is None and "SHM_NAMESPACE" not in (environment or {}) and not (config or {}).get("shm_namespace"):
            self.options += ["--shm-namespace", self.namespace]
        self.log_path = directory / f"monitor-{next(NUMBERS)}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                room.within(*before, self.program, *self.options), env={"PATH": os.environ["PATH"], **(environment or {})},
                **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT, **how})
        if wait:
            found = wait_until(lambda: re.search(r"http://[^ ]+:(\d+)/", self.log) or self.process.poll() is not None,
                               "the monitor says its address", interval=0.01)
            if found is True:
                pytest.fail(f"{self.options}: ended with {self.process.returncode}: {self.log}")
            self.port = int(found.group(1))

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def request(self, path, fields=None, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.sock = self.room.connect(self.port)
        try:
            connection.request(method, path, body, fields or {})
            answer = connection.getresponse()
            return Response(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def json(self, path):
        return json.loads(self.request(path).text)

    def state(self):
        return self.json("/status")["state"]

    def detectors(self):
        return self.json("/status")["detectors"]

    def client(self, **how):
        made = Client(self, **how)
        self.clients.append(made)
        if made.status == 101 and how.get("reads", True):
            made.wait("initial_state")
        return made

    def metrics(self):
        """For the reports of failed tests."""
        text = self.request("/metrics", {"Accept": "text/plain"}).text
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def resident(self):
        """kB."""
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{self.process.pid}/status").read_text()).group(1))

    def processor(self):
        """Seconds of processor time so far."""
        words = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def children(self):
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                words = path.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(words[1]) == self.process.pid:
                found.append((int(path.parent.name), words[0]))
        return found

    def stop(self, number=signal.SIGTERM):
        """Ends it; answers what was wrong with its end, or None."""
        for client in self.clients:
            client.close()
        if self.process.poll() is not None:
            return f"ended by itself with {self.process.returncode}"
        self.process.send_signal(number)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            return "did not end within 10 s"
        return f"ended with {status}" if status else None


@pytest.fixture
def room():
    made = Room()
    yield made
    made.remove()


@pytest.fixture
def far_room(room):
    """Another one, on the other end of a cable."""
    made = Room()
    room.join(made)
    yield made
    made.remove()


@pytest.fixture
def monitor(binary, room, tmp_path, request):
    """monitor("--robot-type", "xle", …) starts one; all are ended, and their ends checked, after the test."""
    monitors = request.node.servers = []

    def start(*flags, **how):
        made = Monitor(binary, how.pop("room", room), tmp_path, *flags, **how)
        monitors.append(made)
        return made

    yield start
    faults = [f"{made.options}: {fault}\n{made.log}" for made in monitors
              if not getattr(made, "is_over", False) and (fault := made.stop())]
    for made in monitors:
        if made.process.poll() is None:
            made.process.kill()
        if not getattr(made, "is_over", False):
            assert not list(pathlib.Path("/dev/shm").glob(f"{made.namespace}_*")), "it left shared memory behind"
    assert not faults, "\n".join(faults)
