"""A `waldo signal` for a test, and a raw WebSocket client that can misbehave."""

import base64
import os
import re
import signal
import socket
import ssl
import struct
import subprocess
import time

from conftest import wait_until


class Signal:
    """A `waldo signal` of this test, on this machine's own addresses."""

    def __init__(self, binary, folder, options=(), environment=None, bind="127.0.0.1,::1"):
        self.log_path = folder / f"signal-{time.monotonic_ns()}.log"
        command = [binary, "signal", *(["--bind", bind] if bind else []), *(options if "--port" in options else ["--port", "0", *options])]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(environment or {})})
        wait_until(lambda: "Ctrl+C" in self.log or self.process.poll() is not None, "it says where it listens", timeout=10)
        assert self.process.poll() is None, self.log
        found = re.search(r"Listening on (wss?)://127\.0\.0\.1:(\d+)", self.log)
        self.port = int(found.group(2))
        self.is_secure = found.group(1) == "wss"
        self.url = f"{found.group(1)}://127.0.0.1:{self.port}"
        self.http = f"http{'s' if self.is_secure else ''}://127.0.0.1:{self.port}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def metrics(self):
        done = subprocess.run(["curl", "-sk", "-m", "5", self.http + "/metrics"], capture_output=True, text=True, check=True)
        lines = [line for line in done.stdout.splitlines() if line and not line.startswith("#")]
        return {name.removeprefix("waldo_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def raw(self, *arguments, **options):
        return Raw(self, *arguments, **options)

    def stop(self, number=signal.SIGINT, patience=10):
        """Ends it as Ctrl+C does; answers the exit status and how long that took."""
        assert self.process.poll() is None, f"ended by itself with {self.process.returncode}: {self.log}"
        began = time.monotonic()
        self.process.send_signal(number)
        try:
            return self.process.wait(patience), time.monotonic() - began
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise AssertionError(f"did not end within {patience} s of a signal: {self.log}") from None


class Raw:
    """A WebSocket by bare hands: nothing is answered, and nothing read, by itself."""

    def __init__(self, server, path="/", fields=(), buffer=None, handshake=True):
        self.socket = socket.socket()
        if buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", server.port))
        if server.is_secure:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket)
        self.bytes = b""
        if handshake:
            key = base64.b64encode(os.urandom(16)).decode()
            lines = [f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}", *fields]
            self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            self.head = self.until(b"\r\n\r\n").decode()
            assert self.head.startswith("HTTP/1.1 101"), self.head

    def until(self, end):
        while end not in self.bytes:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError(self.bytes)
            self.bytes += piece
        found, self.bytes = self.bytes.split(end, 1)
        return found + end

    def take(self, count):
        while len(self.bytes) < count:
            piece = self.socket.recv(1 << 16)
            if not piece:
                raise EOFError(self.bytes)
            self.bytes += piece
        found, self.bytes = self.bytes[:count], self.bytes[count:]
        return found

    def frame(self):
        """The first byte and the payload of the next frame, which a server does not mask."""
        first, size = self.take(2)
        if size == 126:
            size = struct.unpack(">H", self.take(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.take(8))[0]
        assert size < 1 << 30
        return first, self.take(size)

    def send(self, first, payload, mask=b"\1\2\3\4"):
        self.socket.sendall(self.framed(first, payload, mask))

    @staticmethod
    def framed(first, payload, mask=b"\1\2\3\4"):
        size, bit = len(payload), 0x80 if mask else 0
        head = bytes([first, bit | size]) if size < 126 else bytes([first, bit | 126]) + struct.pack(">H", size) if size < 1 << 16 else bytes([first, bit | 127]) + struct.pack(">Q", size)
        if not mask:
            return head + payload
        wide = (mask * (size // 4 + 1))[:size]
        return head + mask + (int.from_bytes(payload, "big") ^ int.from_bytes(wide, "big")).to_bytes(size, "big")

    def text(self, text):
        self.send(0x81, text.encode() if isinstance(text, str) else text)

    def close_code(self):
        """Reads to the close frame, answering nothing; nil when there was none before the end."""
        try:
            while True:
                first, payload = self.frame()
                if first == 0x88:
                    return struct.unpack(">H", payload[:2])[0]
        except (EOFError, ConnectionResetError):
            return None

    def close(self):
        self.socket.close()
