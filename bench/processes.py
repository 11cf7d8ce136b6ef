"""Servers under measurement, the viewers, and what /proc says of them."""

import collections
import os
import pathlib
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
BINARY = os.environ.get("WALDO_BINARY") or str(ROOT / ".build/release/waldo")
PYTHON = os.environ.get("WALDO_PYTHON") or str(ROOT / ".venv/bin/python")
running = set()


class Failed(Exception):
    """A measurement that gave no figure, and why."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def own_address():
    """An address of this machine other than 127.0.0.1, which some peers refuse: traffic stays in the machine all the same."""
    text = subprocess.run(["ip", "-4", "-o", "addr", "show", "scope", "global"], capture_output=True, text=True).stdout
    found = re.search(r"inet ([\d.]+)", text)
    return found.group(1) if found else "127.0.0.1"


ADDRESS = own_address()


class Process:
    def __init__(self, command, environment=None):
        self.log = tempfile.TemporaryFile("w+")
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, stdin=subprocess.DEVNULL, text=True,
                                      env={**os.environ, **(environment or {})})
        self.pid = self.measured = self.child.pid
        self.pending = ""
        running.add(self)

    def line(self, timeout):
        """The next line of output; fails after `timeout` seconds or at the end of output."""
        deadline = time.monotonic() + timeout
        while "\n" not in self.pending:
            ready, _, _ = select.select([self.child.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.child.stdout.fileno(), 65536).decode() if ready else ""
            if not data:
                self.log.seek(0)
                raise Failed(("ended" if ready else f"silent for {timeout:g} s") + f": {self.log.read()[-300:].strip()}")
            self.pending += data
        line, self.pending = self.pending.split("\n", 1)
        return line

    def cpu(self):
        """Seconds of CPU that the process has used, to the nanosecond: its own clock (clock_getcpuclockid)."""
        return time.clock_gettime((~self.measured << 3) | 2)

    def resident(self, name="VmRSS"):
        """kB; `VmHWM`: the most that it ever was."""
        return int(re.search(rf"{name}:\s+(\d+)", pathlib.Path(f"/proc/{self.measured}/status").read_text()).group(1))

    def stop(self):
        if self in running:
            running.discard(self)
            if self.child.poll() is None:
                self.child.send_signal(signal.SIGTERM)
                try:
                    self.child.wait(8)
                except subprocess.TimeoutExpired:
                    self.child.kill()
                    self.child.wait(5)
            self.child.stdout.close()
            self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def stop_all():
    for process in list(running):
        process.stop()


Kind = collections.namedtuple("Kind", "name script arguments")
KINDS = {
    "waldo": Kind("Waldo", None, ()),
    "waldo-replay": Kind("Waldo, fed with encoded frames", None, ("--replay",)),
    "aiortc": Kind("aiortc", "aiortc_source.py", ()),
    "aiortc-once": Kind("aiortc, encoded once", "aiortc_source.py", ("--once",)),
    "webrtcbin": Kind("webrtcbin", "webrtcbin_source.py", ()),
    "janus": Kind("Janus", "janus_source.py", ()),
}


class Server(Process):
    """A WHEP server that sends 720p30 at 1.5 Mbit/s; `measured` is the process that counts."""

    def __init__(self, kind, codec, extra=(), environment=None):
        self.kind, self.codec, self.port = kind, codec, free_port()
        script = KINDS[kind].script
        command = [PYTHON, "-u", str(HERE / "peers" / script)] if script else [BINARY, "bench", "source", "--bind", "127.0.0.1"]
        super().__init__([*command, "--port", str(self.port), "--codec", codec, *KINDS[kind].arguments, *extra], environment)
        self.url = f"http://127.0.0.1:{self.port}"
        words = self.line(30).split()
        self.measured = int(words[1]) if words[0] == "ready" and len(words) > 1 else self.pid
        time.sleep(0.5)

    def metrics(self):
        with urllib.request.urlopen(self.url + "/metrics", timeout=5) as response:
            lines = [line for line in response.read().decode().splitlines() if line and line[0] != "#"]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def threads(self):
        """Name and seconds of CPU by thread."""
        found = {}
        for task in pathlib.Path(f"/proc/{self.measured}/task").iterdir():
            try:
                found[int(task.name)] = ((task / "comm").read_text().strip(), int((task / "schedstat").read_text().split()[0]) / 1e9)
            except (FileNotFoundError, ProcessLookupError):
                pass
        return found

    def thread_cpu(self, name):
        return sum(seconds for found, seconds in self.threads().values() if found == name)

    def thread_count(self):
        return len(list(pathlib.Path(f"/proc/{self.measured}/task").iterdir()))


class Viewers(Process):
    def __init__(self, server, count, seconds, *options):
        super().__init__([BINARY, "bench", "viewers", "--url", server.url + "/whep", "--count", str(count), "--seconds", str(seconds),
                          "--every", "1", "--bind", ADDRESS, *options])
        self.count = count
        joined = self.line(60)
        if joined != "connected":
            raise Failed(joined)

    def figures(self, timeout=10):
        """The next line of figures, once a second."""
        values = dict(part.split("=") for part in self.line(timeout).split())
        return {name: None if value == "-" else float(value) for name, value in values.items()}


def median(values):
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def progress(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def until(page, expression, timeout=20):
    """Waits for a page. Playwright's own waiting evaluates words, which a content policy may forbid."""
    deadline = time.monotonic() + timeout
    while not page.evaluate(f"() => {expression}"):
        if time.monotonic() > deadline:
            raise Failed(f"after {timeout} s still not: {expression}")
        time.sleep(0.02)
