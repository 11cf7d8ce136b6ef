"""What the open internet does to a web server: afterwards everything else still works and what it took is given back."""

import concurrent.futures
import contextlib
import os
import resource
import socket
import ssl
import struct
import subprocess
import time

import pytest

from conftest import wait_until
from web_server import Web, curl, status

HANDSHAKE = (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
RESET = struct.pack("ii", 1, 0)


def masked(first, payload):
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + struct.pack(">H", size) if size < 1 << 16 else b"\xff" + struct.pack(">Q", size)
    return bytes([first]) + length + b"\0\0\0\0" + payload


class Watched(Web):
    """A server whose descriptors and memory are looked at."""

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def memory(self):
        """Resident, kB."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self):
        plain = socket.create_connection((self.address, self.port))
        if not self.url.startswith("https"):
            return plain
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(plain)

    def works(self):
        assert status("-k", self.url + "/json") == 200
        with self.connect() as client:
            client.settimeout(5)
            client.sendall(HANDSHAKE + masked(0x81, b"still"))
            answer = b""
            while b"\x81\x05still" not in answer:
                piece = client.recv(65536)
                assert piece, answer
                answer += piece

    @contextlib.contextmanager
    def unharmed(self, megabytes=8):
        """Whatever happens inside, descriptors and memory come back, and the server still serves and does not spin."""
        for _ in range(3):
            self.works()
        descriptors, memory = self.descriptors(), self.memory()
        yield
        self.works()
        wait_until(lambda: self.descriptors() <= descriptors, f"{descriptors} descriptors again", timeout=20)
        wait_until(lambda: self.memory() <= memory + megabytes * 1024, f"{memory} kB resident again, but for {megabytes} MB", timeout=10)
        before = self.cpu()
        time.sleep(1)
        assert self.cpu() - before < 0.2, "the server spins"


QUICK = ["--limit", "head-timeout=2", "--limit", "idle-timeout=4", "--limit", "stall-timeout=3", "--limit", "slowest-body=100000"]


@pytest.fixture(params=[[], ["--tls-self-signed"]], ids=["plain", "tls"])
def web(binary, tmp_path, request):
    server = Watched(binary, tmp_path, [*QUICK, *request.param])
    yield server
    assert server.stop() == 0


@pytest.fixture
def plain(binary, tmp_path):
    server = Watched(binary, tmp_path, QUICK)
    yield server
    assert server.stop() == 0


def read_all(connection, timeout=10.0):
    connection.settimeout(timeout)
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except (ConnectionError, ssl.SSLError):
        pass
    return received


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def test_slow_heads_and_bodies_are_ended(web):
    with web.unharmed():
        heads = [web.connect() for _ in range(100)]
        bodies = [web.connect() for _ in range(20)]
        for body in bodies:
            body.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        end = time.monotonic() + 4
        while time.monotonic() < end:
            for connection in heads + bodies:
                with contextlib.suppress(OSError):
                    connection.sendall(b"G" if connection in heads else b"x")
            web.works()
            time.sleep(0.3)
        for connection in heads:
            assert read_all(connection)[:13] in (b"HTTP/1.1 408 ", b"HTTP/1.1 400 ", b"")
            connection.close()
        # A body has ten seconds before its pace counts.
        for connection in bodies:
            assert read_all(connection, 15).startswith(b"HTTP/1.1 408 ")
            connection.close()


def test_readers_that_stand_still_are_ended(web):
    with web.unharmed():
        stuck = [web.connect() for _ in range(30)]
        for connection in stuck:
            connection.sendall(b"GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 30)
        web.works()
        time.sleep(1)
        assert web.memory() < 200_000
        # Cut off: what was under way cannot be whole.
        wait_until(lambda: web.descriptors() < 30, "those who read nothing are gone", timeout=15)
        for connection in stuck:
            connection.close()


def test_many_idle_connections(plain):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, hard - 500)
    assert count >= 3000, f"the tests need at least 3,500 descriptors, the limit is {hard}"
    with plain.unharmed(megabytes=12):
        idle = []
        for n in range(count):
            connection = socket.create_connection(("127.0.0.1", plain.port))
            if n % 2:
                connection.sendall(HANDSHAKE)
            idle.append(connection)
        plain.works()
        # The silent half is ended by the idle time, the WebSockets are not.
        wait_until(lambda: plain.descriptors() < count * 0.6, "those who ask nothing are gone", timeout=20)
        assert plain.descriptors() > count * 0.4
        plain.works()
        for connection in idle:
            connection.close()


@pytest.mark.parametrize("head", [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Content-Length: 5\r\nContent-Length: 5", b"Content-Length: 5, 5", b"Content-Length: +5", b"Content-Length: 0x5", b"Content-Length: -1",
    b"Content-Length: 5 5", b"Content-Length: ", b"Content-Length: 99999999999999999999", b"Content-Length:\x0b5",
    b"Transfer-Encoding: chunked, identity", b"Transfer-Encoding: xchunked", b"Transfer-Encoding: \x0bchunked", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked", b"Transfer-Encoding\t: chunked", b"Transfer_Encoding: chunked\r\nTransfer-Encoding: cow",
    b"\tTransfer-Encoding: chunked", b"X: y\r\n Transfer-Encoding: chunked", b"X: y\nTransfer-Encoding: chunked", b"X: y\rTransfer-Encoding: chunked", b"X: \0",
    b"Host: y", b"Host: a b", b": x", b"\x80: x", b"Connection: close\r\n\r", b"Expect: 200-ok",
], ids=repr)
def test_smuggling(plain, head):
    """A request that two readers could end at different places: 400, closed, and what follows is nobody's request."""
    hidden = b"GET /text/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    for body in (b"0\r\n\r\n" + hidden, b"hello" + hidden):
        answer = plain.raw(b"POST /echo HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + body, timeout=3)
        assert answer[:12] in (b"HTTP/1.1 400", b"HTTP/1.1 417", b"HTTP/1.1 413", b"HTTP/1.1 501") and b"smuggled!" not in answer, (head, answer[:300])
        assert answer.count(b"HTTP/1.1 ") == 1 and b"Connection: close" in answer


@pytest.mark.parametrize("chunks", [
    b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello0\r\n\r\n", b"5\r\nhello\n0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n", b" 5\r\nhello\r\n0\r\n\r\n",
    b"5 \r\nhello\r\n0\r\n\r\n", b"-1\r\n\r\n", b"ffffffffffffffff1\r\n", b"fffffffffffffff0\r\n", b"\r\n0\r\n\r\n", b"5;a=\nb\r\nhello\r\n0\r\n\r\n", b"0\r\nX : y\r\n\r\n",
    b"0\r\n X: y\r\n\r\n", b"0\r\n\n", b"5;" + b"x" * 20_000 + b"\r\nhello\r\n0\r\n\r\n", b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
], ids=lambda chunks: repr(chunks[:24]))
def test_bad_chunks(plain, chunks):
    hidden = b"GET /text/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = plain.raw(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + hidden, timeout=3)
    assert answer[9:12] in (b"400", b"413", b"431") and b"smuggled!" not in answer, answer[:300]


def test_paths_do_not_leave_the_folder(plain):
    """Every way of writing `..` that a decoder may undo once too often."""
    dots = ["..", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%00", "..;", "..%c0%af", "%c0%ae%c0%ae", "%e0%80%ae%e0%80%ae", "%uff0e%uff0e", "..%5c", "..\\", "．．"]
    slashes = ["/", "%2f", "%2F", "%5c", "\\", "//", "/./", "%252f", "%c0%af", "/%00/"]
    secret = open("/etc/passwd", "rb").read()
    (plain.folder / "outside.txt").write_text("not for everybody")
    requests = []
    for dot in dots:
        for slash in slashes:
            for depth in (1, 2, 8):
                way = (dot + slash) * depth
                requests += [f"/files/{way}etc/passwd", f"/files{slash}{way}outside.txt", f"/files/out{slash}{way}passwd"]
    requests += ["/files//etc/passwd", "//etc/passwd", "/files/out/passwd", "/files/.secret", "/files/%2esecret", "file:///etc/passwd", "/files/./.secret", "/files/%00", "/files/a%00.js"]
    seen = set()
    for path in requests:
        answer = plain.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), timeout=3)
        seen.add(answer[9:12])
        assert secret not in answer and b"not for everybody" not in answer, path
        assert answer[9:12] in (b"400", b"404"), (path, answer[:200])
    assert seen == {b"400", b"404"}
    assert plain.raw(b"GET /files/a/../app.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[9:12] == b"400"
    plain.works()


def test_floods_of_control_frames(web):
    def flood(connection):
        connection.sendall(HANDSHAKE)
        with contextlib.suppress(OSError):
            for frame in (masked(0x89, b"x" * 125), masked(0x8A, b""), masked(0x01, b""), masked(0x81, b"")):
                connection.sendall(frame * 500)
        # At once: who reads late finds a reset where the farewell was.
        return read_all(connection, 20)

    with web.unharmed():
        flooders = [web.connect() for _ in range(10)]
        with concurrent.futures.ThreadPoolExecutor(len(flooders)) as pool:
            farewells = [pool.submit(flood, connection) for connection in flooders]
            for _ in range(4):
                web.works()
            for farewell in farewells:
                # 1008, policy violation.
                assert b"\x03\xf0" in farewell.result(60)
        for connection in flooders:
            connection.close()


def test_half_closed_connections(web):
    """Whoever says that it sends no more still gets the answer to what it asked; half a request ends."""
    def half(data):
        connection = web.connect()
        connection.sendall(data)
        plain = connection
        if isinstance(connection, ssl.SSLSocket):
            # Python's unwrap waits for the other side's goodbye; the end of TCP is what is tried here.
            plain = socket.socket(fileno=os.dup(connection.fileno()))
        plain.shutdown(socket.SHUT_WR)
        answer = read_all(connection, 5)
        connection.close()
        return answer

    with web.unharmed():
        assert half(b"GET /text/half HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"Hello, half!\n")
        assert half(b"GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n").endswith((web.files / "big.bin").read_bytes())
        assert half(b"GET /text/1 HTTP/1.1\r\nHost: x\r\n\r\n" * 50).count(b"Hello, 1!") == 50
        for data in (b"", b"GET", b"GET / HTTP/1.1\r\nHost: x\r\n", b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"):
            assert b" 200 " not in half(data)
        assert half(HANDSHAKE + masked(0x81, b"end")).count(b"HTTP/1.1 101") == 1
        assert half(HANDSHAKE + b"\x81").count(b"HTTP/1.1 101") == 1


STATES = {
    "nothing": b"", "head": b"GET / HT", "fields": b"GET / HTTP/1.1\r\nHost: x\r\nA: b", "body": b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nhal",
    "chunk": b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc", "continue": b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "answered": b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n", "file": b"GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n", "pipeline": b"GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 100,
    "events": b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n", "pictures": b"GET /picture HTTP/1.1\r\nHost: x\r\n\r\n", "refused": b"nonsense\r\n\r\n",
    "websocket": HANDSHAKE, "frame": HANDSHAKE + b"\x82\xfe\xff", "fragment": HANDSHAKE + masked(0x02, b"x" * 50_000), "broadcast": HANDSHAKE.replace(b"/ws", b"/broadcast"),
    "closing": HANDSHAKE + masked(0x88, b"\x03\xe8"), "large": HANDSHAKE + masked(0x82, b"x" * 3_000_000)[:2_000_000],
}


def test_resets_in_every_state(web):
    with web.unharmed():
        for data in STATES.values():
            for wait in (0, 0.01, 0.03):
                for _ in range(4):
                    connection = web.connect()
                    connection.setblocking(False)
                    with contextlib.suppress(OSError):
                        connection.send(data)
                    time.sleep(wait)
                    reset(connection)
            web.works()


def test_a_megabyte_of_fields_and_endless_lines(web):
    with web.unharmed():
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 1_000_000, b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 200_000, b"G" * 1_000_000,
                     b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + b"a=b; " * 200_000 + b"\r\n\r\n", b"\r\n" * 500_000):
            for _ in range(10):
                connection = web.connect()
                with contextlib.suppress(OSError):
                    connection.sendall(data)
                assert read_all(connection, 5)[9:12] in (b"400", b"414", b"431", b"")
                connection.close()


def test_one_address_does_not_take_all(binary, tmp_path):
    server = Watched(binary, tmp_path, [*QUICK, "--limit", "connections-per-address=20"])
    with server.unharmed():
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(19)]
        server.works()
        held += [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        time.sleep(0.2)
        # Another address of this machine has room.
        done = subprocess.run(["curl", "-s", "-m", "5", "--interface", "127.0.0.2", "-o", "/dev/null", "-w", "%{http_code}", server.url + "/json"], capture_output=True)
        assert done.stdout == b"200"
        for connection in held:
            connection.close()
        time.sleep(0.2)
    assert server.stop() == 0
