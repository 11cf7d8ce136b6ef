"""A usage monitor and a station of a test's own: neither 8765 nor the default namespace, which others on this machine may use."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import time

import psutil
import pytest

from conftest import wait_until
from station import SMALL


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Watched:
    """A namespace and a port of a test's own, and the station's options for them."""

    def __init__(self):
        self.namespace, self.port = f"test-{os.getpid()}-{time.monotonic_ns() % 1_000_000_000}", free_port()
        self.options = ("--usage-namespace", self.namespace, "--monitor-port", self.port)

    def told(self):
        """What programs tell, read as docs say it lies in memory; None: nobody tells anything."""
        found = list(pathlib.Path("/dev/shm").glob(self.namespace + "_sessions_*"))
        if not found:
            return None
        assert len(found) == 1
        while True:
            data = found[0].read_bytes()
            magic, version, _, pid, sequence, length = struct.unpack_from(">IIQQQI", data)
            if sequence % 2 == 0:
                break
        assert (magic, version) == (0x57445345, 1)
        assert str(pid) == found[0].name.rsplit("_", 1)[1]
        # The object is there before its first word.
        return json.loads(data[36:36 + length]) if length else None

    def roles(self):
        told = self.told()
        return told and {session["operator"]: session["role"] for session in told["sessions"]}

    def left(self):
        return [each.name for each in pathlib.Path("/dev/shm").glob(self.namespace + "*")]


@pytest.fixture
def watched():
    made = Watched()
    yield made
    for name in made.left():
        (pathlib.Path("/dev/shm") / name).unlink()


@pytest.fixture
def far_station(station, network):
    """A station in a network of its own: nothing else that goes on here is seen by its monitor."""
    def start(*options):
        return station(*SMALL, "--bind", network.far, "--insecure", *options, address=network.far, namespace=network.namespace)
    return start


@pytest.fixture
def monitor(binary, network):
    """monitor(watched) starts the monitor alone, in the network of `far_station`."""
    started = []

    def start(watched):
        process = subprocess.Popen(
            ["ip", "netns", "exec", network.namespace, binary + "-monitor", "--bind", "127.0.0.1", "--websocket-port", str(watched.port), "--shm-namespace", watched.namespace],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(5)


def monitor_of(here):
    return wait_until(lambda: next((child for child in psutil.Process(here.process.pid).children() if child.name() == "waldo-monitor"), None),
                      "the station's monitor runs")


def usage(here):
    answer = here.request("GET", "/api/usage")
    return json.loads(answer.text)["state"] if answer.status == 200 else None
