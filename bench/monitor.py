"""The monitor beside a plain one in Python: CPU, memory, and how long it takes from the evidence to the event at a client."""

import base64
import contextlib
import ctypes
import json
import os
import pathlib
import random
import re
import select
import socket
import statistics
import struct
import subprocess
import tempfile
import time
import urllib.request

from parts import RUNS, SECONDS, show, table
from processes import BINARY, HERE, PYTHON, Failed, Process, Server, free_port, median, progress

MONITOR = str(pathlib.Path(BINARY).with_name("waldo-monitor"))
TIMES = int(os.environ.get("BENCH_TIMES", 30))
NAMES = {"waldo": "Waldo", "waldo-bare": "Waldo, which may not capture packets", "python": "Python: psutil, pyzmq, aiohttp",
         "floor": "C, 40 times epoll_wait and a timer's read a second (floor)"}
LOADS = {"idle": "idle", "loaded": "50 Hz publisher, WebRTC at 1.5 Mbit/s, 10 clients", "heavy": "50 Hz publisher, WebRTC at 5 Mbit/s, 5 clients",
         "sockets": "4,000 TCP sockets of another process", "clients": "100 clients"}
CASES = [("idle", "floor"), ("idle", "waldo"), ("idle", "python"), ("loaded", "waldo"), ("loaded", "python"), ("heavy", "waldo"),
         ("sockets", "waldo"), ("sockets", "waldo-bare"), ("sockets", "python"), ("clients", "waldo"), ("clients", "python")]
MEDIA_PORT = 20_000
NEW_NETWORK = 0x4000_0000  # CLONE_NEWNET


@contextlib.contextmanager
def own_network():
    """Its own loopback, ports and packets: what other programs of this machine send is not seen. What is started inside is in it."""
    library = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/self/ns/net", os.O_RDONLY)
    try:
        if library.unshare(NEW_NETWORK):
            raise Failed(f"a network of its own needs root: {os.strerror(ctypes.get_errno())}")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        try:
            yield
        finally:
            library.setns(before, NEW_NETWORK)
    finally:
        os.close(before)


class Monitor(Process):
    def __init__(self, kind, bind="127.0.0.1"):
        self.kind, self.port = kind, free_port()
        ours = [MONITOR, "--websocket-port", str(self.port), "--bind", bind, "--shm-namespace", f"waldo-bench-{os.getpid()}"]
        super().__init__({"waldo": ours, "waldo-bare": ["setpriv", "--inh-caps=-net_raw", "--bounding-set=-net_raw", *ours],
                          "python": [PYTHON, "-u", str(HERE / "peers/naive_monitor.py"), str(self.port)]}[kind])
        deadline = time.monotonic() + 20
        while True:
            try:
                self.status("health")
                return
            except OSError as error:
                if self.child.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{NAMES[kind]} does not answer: {error}") from None
                time.sleep(0.05)

    def status(self, path="status"):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=5) as response:
            return json.load(response)


def load_command(*words):
    return [PYTHON, "-u", str(HERE / "peers/monitor_load.py"), *map(str, words)]


def put_under(load, monitor, held):
    def start(*words):
        process = held.enter_context(Process(load_command(*words)))
        if process.line(30) != "ready":
            raise Failed(f"no load {words}")

    if load in ("loaded", "heavy"):
        start("publisher", 50)
        source = held.enter_context(Server("waldo", "h264", ("--bitrate", "1500" if load == "loaded" else "5000", "--media-port", str(MEDIA_PORT))))
        viewer = held.enter_context(Process([BINARY, "bench", "viewers", "--url", source.url + "/whep", "--count", "1", "--bind", "127.0.0.1",
                                             "--seconds", str(SECONDS + 60)]))
        if (said := viewer.line(30)) != "connected":
            raise Failed(said)
        start("clients", monitor.port, 10 if load == "loaded" else 5)
    elif load == "sockets":
        start("sockets", 4000)
    elif load == "clients":
        start("clients", monitor.port, 100)


def check(load, monitor):
    """That the monitor saw what was there, and nothing else: a figure of one that slept says nothing."""
    status = monitor.status()
    state, clients = status["state"], {"loaded": 10, "heavy": 5, "clients": 100}.get(load, 0)
    is_right = status["connected_clients"] == clients
    if load in ("loaded", "heavy"):
        rate = state["metrics"]["command_rate_hz"]  # a monitor whose one thread stands still reads messages in heaps
        is_right &= state["teleoperation_active"] and state["connections"]["webrtc"] >= 1 and (45 < rate < 55 or monitor.kind == "python" and rate > 10)
    else:
        is_right &= not state["teleoperation_active"]
    if monitor.kind.startswith("waldo"):
        is_right &= status["detectors"]["webrtc"]["mode"] == ("reduced" if monitor.kind == "waldo-bare" else "full")
    if not is_right:
        raise Failed(f"under {LOADS[load]} the monitor says {status}")


def wakes(process):
    return sum(int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.M).group(1))
               for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir())


def span(process):
    """% of a core, and wakes a second, over SECONDS."""
    begin, used, woken = time.monotonic(), process.cpu(), wakes(process)
    time.sleep(SECONDS)
    length = time.monotonic() - begin
    return {"cpu": 100 * (process.cpu() - used) / length, "wakes": (wakes(process) - woken) / length}


def measure(load, kind, folder):
    if kind == "floor":
        with Process([str(folder / "floor"), "40"]) as floor:
            floor.line(5)
            return {**span(floor), "resident": floor.resident(), "peak": floor.resident("VmHWM")}
    with contextlib.ExitStack() as held:
        monitor = held.enter_context(Monitor(kind))
        time.sleep(1)
        put_under(load, monitor, held)
        time.sleep(3)
        found = span(monitor)
        check(load, monitor)
        return {**found, "resident": monitor.resident(), "peak": monitor.resident("VmHWM")}


class Client:
    """A WebSocket client; `at` is when the last bytes came."""

    def __init__(self, port):
        self.socket, self.pending, self.at = socket.create_connection(("127.0.0.1", port), 10), b"", 0.0
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.pending:
            self.take(10)
        head, self.pending = self.pending.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Failed(f"no WebSocket: {head[:200]}")

    def take(self, timeout):
        if not select.select([self.socket], [], [], max(0, timeout))[0]:
            return False
        data = self.socket.recv(65536)
        self.at = time.monotonic()
        if not data:
            raise Failed("the monitor closed the connection")
        self.pending += data
        return True

    def cut(self):
        """Opcode and body of the first whole frame."""
        if len(self.pending) < 2:
            return None
        length, start = self.pending[1] & 127, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(self.pending) < start:
                return None
            length = int.from_bytes(self.pending[2:start], "big")
        if len(self.pending) < start + length:
            return None
        kind, body = self.pending[0] & 15, self.pending[start:start + length]
        self.pending = self.pending[start + length:]
        return kind, body

    def event(self, deadline):
        """The next event, or nothing at the deadline."""
        while True:
            while (frame := self.cut()) is None:
                if not self.take(deadline - time.monotonic()):
                    return None
            if frame[0] == 1:
                return json.loads(frame[1])
            if frame[0] == 9:
                self.socket.sendall(bytes([0x8A, 0x80 | len(frame[1]), 0, 0, 0, 0]) + frame[1])

    def wait(self, kind, deadline):
        while (event := self.event(deadline)) is not None:
            if event["type"] == kind:
                return self.at
        return None

    def close(self):
        self.socket.close()


def stopped(client, last, limit=5):
    at = client.wait("teleoperation_stopped", last + limit)
    if at is None:
        raise Failed(f"{limit} s after the last evidence teleoperation goes on")
    return at - last


def start_publisher(client, wait):
    """Seconds from a new publisher's first message to the event, and from its last to the end. `wait`: how long it is there before it speaks."""
    import zmq
    context = zmq.Context()
    try:
        publisher = context.socket(zmq.PUB)
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.bind("tcp://127.0.0.1:5555")
        if client.wait("teleoperation_started", time.monotonic() + wait) is not None:
            raise Failed("an event without evidence")
        first, at, rest = time.monotonic(), None, 15
        last = due = first
        while rest:
            last = time.monotonic()
            publisher.send(b'{"type":"move","operator":"bench","vx":0.1}')
            due += 0.02
            if at is None:
                at = client.wait("teleoperation_started", due)
            elif client.wait("teleoperation_stopped", due) is not None:
                raise Failed("an end in the middle of messages")
            rest -= at is not None
            if last - first > 5:
                raise Failed("no event in 5 s of messages")
        return at - first, stopped(client, last)
    finally:
        context.destroy(0)


def start_stream(client, number):
    """The same for RTP, from the tenth packet, which completes the rule."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        port = MEDIA_PORT + 10 + 2 * number
        receiver.bind(("127.0.0.1", port))
        sender.bind(("127.0.0.1", port + 1))
        ssrc, sequence, due = random.getrandbits(32), random.getrandbits(15), time.monotonic()
        for index in range(10):
            if client.wait("teleoperation_started", due) is not None:
                raise Failed(f"an event after {index} packets")
            last = time.monotonic()
            sender.sendto(struct.pack("!BBHII", 0x80, 96, sequence + index, 3000 * index, ssrc) + bytes(160), ("127.0.0.1", port))
            due += 0.005
        at = client.wait("teleoperation_started", last + 5)
        if at is None:
            raise Failed("no event in 5 s")
        return at - last, stopped(client, last)


EVIDENCE = {
    "silent": ("50 Hz publisher, there a second before its first message", ("waldo", "python"), lambda client, _: start_publisher(client, 1)),
    "new": ("50 Hz publisher that sends as soon as it is there", ("waldo", "python"), lambda client, _: start_publisher(client, 0)),
    "stream": ("RTP, from the tenth packet", ("waldo",), start_stream),
}


def latencies():
    found = {(name, kind): [] for name, (_, kinds, _) in EVIDENCE.items() for kind in kinds}
    for name, (_, kinds, act) in EVIDENCE.items():
        for part in range(3):
            for kind in kinds:
                with Monitor(kind) as monitor, contextlib.closing(Client(monitor.port)) as client:
                    time.sleep(1)
                    for number in range(part * TIMES // 3, (part + 1) * TIMES // 3):
                        client.wait("none", time.monotonic() + random.uniform(0.1, 0.7))  # so that no clock goes with the monitor's
                        try:
                            found[name, kind].append(act(client, number))
                        except Failed as failure:
                            progress(f"{name}, {kind}: {failure}")
                if found[name, kind]:
                    progress(f"{name}, {kind}: {1000 * statistics.median(first for first, _ in found[name, kind]):.1f} ms")
    return found


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def monitor():
    runs = {case: [] for case in CASES}
    with own_network(), tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        subprocess.run(["cc", "-O2", "-o", str(folder / "floor"), str(HERE / "peers/wake_floor.c")], check=True)
        for _ in range(RUNS):
            for load, kind in CASES:
                try:
                    runs[load, kind].append(measure(load, kind, folder))
                    progress(f"{load}, {kind}: {runs[load, kind][-1]}")
                except Failed as failure:
                    progress(f"{load}, {kind}: {failure}")
        found = latencies()
    rows = []
    for (load, kind), list_of in runs.items():
        middle = {key: median([run[key] for run in list_of]) for key in ("cpu", "wakes", "resident")}
        ours = median([run["cpu"] for run in runs.get((load, "waldo"), [])])
        rows.append([LOADS[load], NAMES[kind],
                     show(middle["cpu"], 2) + (f" ({middle['cpu'] / ours:.0f}×)" if kind == "python" and middle["cpu"] and ours else ""),
                     " ".join(f"{run['cpu']:.2f}" for run in list_of) or "–", show(middle["wakes"], 0), show(middle["resident"], 0),
                     str(max((run["peak"] for run in list_of), default="–"))])
    times = []
    for (name, kind), pairs in found.items():
        for what, values, limit in (("start", [1000 * pair[0] for pair in pairs], "100"),
                                    ("end", [1000 * pair[1] for pair in pairs], "2200" if name == "stream" else "1200")):
            cells = [show(percentile(values, share), 1) for share in (0.5, 0.95, 1)] if values else ["–"] * 3
            times.append([f"{EVIDENCE[name][0]}: {what}", NAMES[kind], f"{len(values)} of {TIMES}", *cells, limit])
    return ("## `waldo-monitor`\n\nIn a network of its own. CPU by the process's own clock, all its threads; wakes are its voluntary context switches; memory is VmRSS in the "
            "middle run and the greatest VmHWM. The monitor's answers are checked in every run: what it sees, how fast, how many clients. "
            f"No gamepad. {sum(one.name.isdigit() for one in pathlib.Path('/proc').iterdir())} processes on the machine, which Python's reads ten times a second.\n\n"
            + table(["load", "monitor", "CPU, % of a core", "each run", "wakes a second", "VmRSS, kB", "peak, kB"], rows)
            + "\nFrom the evidence to `teleoperation_started` at a client, and from the last of it to `teleoperation_stopped`, ms. The client is Python "
            "and in the same process as the sender.\n\n"
            + table(["evidence", "monitor", "seen", "p50", "p95", "max", "limit"], times))
