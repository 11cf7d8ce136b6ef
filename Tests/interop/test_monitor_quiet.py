"""What is no teleoperation, all at once: `waldo-monitor` must not call it so."""

import os
import struct
import threading
import time

from monitor import far_room, monitor, room  # noqa: F401

SECONDS = 8


class Traffic:
    """Threads in two rooms, each of which does one thing until the end. What fails in one fails the test."""

    def __init__(self, room, far_room):
        self.room, self.far, self.over, self.threads, self.faults, self.rounds = room, far_room, threading.Event(), [], [], {}

    def add(self, name, step, pause):
        """Again and again."""
        self.rounds[name] = 0

        def body():
            while not self.over.is_set():
                try:
                    step()
                    self.rounds[name] += 1
                except Exception as error:
                    if not self.over.is_set():
                        self.faults.append((name, repr(error)))
                    return
                self.over.wait(pause)

        self.threads.append(threading.Thread(target=body, daemon=True))

    def serve(self, where, port, answer):
        """A TCP server that gives `answer(request)` to each line of a connection."""
        listener = where.listen(port, where.address)
        listener.settimeout(0.2)

        def one(connection):
            with connection:
                connection.settimeout(10)
                try:
                    while not self.over.is_set() and (request := connection.recv(4096)):
                        connection.sendall(answer(request))
                except OSError:
                    pass

        def body():
            with listener:
                while not self.over.is_set():
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        continue
                    threading.Thread(target=one, args=(connection,), daemon=True).start()

        self.threads.append(threading.Thread(target=body, daemon=True))

    def fetch(self, where, address, port, request, size):
        with where.connect(port, address) as connection:
            self.ask(connection, request, size)

    @staticmethod
    def ask(connection, request, size):
        connection.sendall(request)
        left = size
        while left > 0:
            more = connection.recv(65536)
            if not more:
                raise EOFError
            left -= len(more)

    def datagrams(self, name, port, size, pause, back=None, far_port=None, first=b""):
        """To a port of the far room, and what comes back."""
        far = self.far.datagrams((self.far.address, far_port or port))
        near = self.room.datagrams((self.room.address, 0 if far_port is None else port))
        for each in (near, far):
            each.settimeout(0.5)

        def step():
            near.sendto(first + os.urandom(size - len(first)), far.getsockname())
            if back:
                _, whom = far.recvfrom(65536)
                far.sendto(first + os.urandom(back - len(first)), whom)
                near.recvfrom(65536)

        self.add(name, step, pause)

    def run(self, seconds):
        for thread in self.threads:
            thread.start()
        time.sleep(seconds)
        self.over.set()
        for thread in self.threads:
            thread.join(15)
        assert not self.faults, self.faults
        assert all(self.rounds.values()), self.rounds


def assert_nobody(here, client):
    found = client.events("teleoperation_started", "operator_connected", "connection_established", "error_occurred")
    assert not found, found
    states = [message["data"]["state"] for message in client.events("state_update")]
    assert len(states) > 10 and not any(state["teleoperation_active"] or state["operators"] for state in states), states
    client.assert_no_gaps()


def test_ordinary_traffic(monitor, room, far_room):
    here = monitor()
    client = here.client()
    traffic = Traffic(room, far_room)
    # Downloads, and a film that is fetched in pieces of some seconds.
    big = b"\0" * 500_000
    traffic.serve(far_room, 80, lambda _: big)
    traffic.serve(far_room, 443, lambda _: big * 2)
    traffic.add("download", lambda: traffic.fetch(room, far_room.address, 80, b"GET / HTTP/1.1\r\n\r\n", len(big)), 0.05)
    traffic.add("film", lambda: traffic.fetch(room, far_room.address, 443, b"GET /piece HTTP/1.1\r\n\r\n", 2 * len(big)), 2)
    traffic.serve(far_room, 8000, lambda request: request)
    traffic.add("short requests", lambda: traffic.fetch(room, far_room.address, 8000, b"GET /a HTTP/1.1\r\n\r\n", 18), 0.01)
    # Somebody types in a shell on the robot.
    traffic.serve(room, 22, lambda request: request * 3)
    shell = far_room.connect(22, room.address)
    traffic.add("shell", lambda: traffic.ask(shell, os.urandom(48), 144), 0.05)
    query = struct.pack(">HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"\x05robot\x05local\0\0\x01\0\x01"
    traffic.datagrams("DNS", 53, len(query) + 8, 0.05, back=120, first=query)
    traffic.datagrams("mDNS", 5353, len(query) + 8, 0.3, first=query, far_port=5353)
    traffic.datagrams("NTP", 123, 48, 0.5, back=48, first=b"\x23")
    # Long headers, then short ones.
    traffic.datagrams("QUIC", 443, 1200, 0.01, back=1200, first=b"\xc3\0\0\0\1")
    traffic.datagrams("QUIC with short headers", 8443, 60, 0.02, back=1200, first=b"\x45")
    # A robot asks a STUN server for its address, and gets none.
    traffic.datagrams("STUN requests", 3478, 20, 0.3, first=struct.pack(">HHI", 1, 0, 0x2112A442))
    # Who watches the monitor is no evidence.
    watchers = [here.client() for _ in range(5)]
    traffic.add("scrapes", lambda: here.request("/metrics", {"Accept": "text/plain"}), 0.05)
    traffic.add("pages", lambda: here.request("/"), 0.1)
    traffic.add("watchers", lambda: [each.say({"type": "get_state"}) for each in watchers], 0.1)
    traffic.run(SECONDS)
    shell.close()
    assert_nobody(here, client)
    assert here.state()["connections"]["webrtc"] == here.state()["connections"]["zmq"] == 0


def test_flows_on_high_ports(monitor, room, far_room):
    """A tunnel and a measurement of the line: both within the range of media ports."""
    here = monitor()
    client = here.client()
    traffic = Traffic(room, far_room)
    traffic.datagrams("tunnel", 51820, 140, 0.01, back=1300, first=b"\x04\0\0\0", far_port=51820)
    # 4 Mbit/s one way, numbered as iperf does it.
    numbers = iter(range(1 << 30))
    far = far_room.datagrams((far_room.address, 15201))
    near = room.datagrams((room.address, 0))
    traffic.add("measurement", lambda: near.sendto(struct.pack(">IIII", next(numbers), 7, 9, 0) + bytes(1184), far.getsockname()), 0.0024)
    traffic.run(SECONDS)
    assert_nobody(here, client)
    assert here.state()["connections"]["webrtc"] == 0


def test_a_tunnel_of_small_packets_beside_a_large_flow(monitor, room, far_room):
    """Together they have the shape of a video and its commands: a tunnel is known by its port."""
    here = monitor()
    client = here.client()
    traffic = Traffic(room, far_room)
    traffic.datagrams("tunnel", 51820, 140, 0.02, back=140, first=b"\x04\0\0\0", far_port=51820)
    far, near = far_room.datagrams((far_room.address, 15201)), room.datagrams((room.address, 0))
    traffic.add("measurement", lambda: near.sendto(b"\x01" * 1200, far.getsockname()), 0.0024)
    traffic.run(SECONDS)
    assert_nobody(here, client)
    assert here.state()["connections"]["webrtc"] == 0
