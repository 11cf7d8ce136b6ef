"""A WebSocket client of the tests that records what came and when, and can also send what none should."""

import base64
import json
import os
import re
import socket
import struct
import threading
import time

import pytest


def frame(opcode, payload=b"", mask=b"mask", fin=True, length=None):
    """A WebSocket frame of a client (RFC 6455 clause 5.2). `length`: another one than is true."""
    length = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if mask else 0
    head += bytes([bit | length]) if length < 126 else bytes([bit | 126]) + struct.pack(">H", length) if length < 65536 \
        else bytes([bit | 127]) + struct.pack(">Q", length)
    if not mask:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


class Client:
    """A WebSocket client whose thread records messages with their times. `closed`: the code, or 0 where the connection just ended."""

    def __init__(self, monitor, reads=True, path="/ws"):
        self.socket = monitor.room.connect(monitor.port)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: robot\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        self.buffer = b""
        while b"\r\n\r\n" not in self.buffer:
            more = self.socket.recv(4096)
            assert more, f"the handshake ended: {self.buffer}"
            self.buffer += more
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        self.status, self.head = int(head.split(b" ")[1]), head.decode()
        self.messages, self.closed, self.reason, self.changed = [], None, None, threading.Condition()
        if self.status == 101 and reads:
            self.socket.settimeout(None)
            threading.Thread(target=self._read, daemon=True).start()

    def body(self):
        """Of an answer that is no upgrade."""
        length = int(re.search(r"(?i)content-length: (\d+)", self.head).group(1))
        while len(self.buffer) < length:
            self.buffer += self.socket.recv(4096)
        return json.loads(self.buffer)

    def _exactly(self, count):
        while len(self.buffer) < count:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError
            self.buffer += more
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _read(self):
        code, reason = 0, ""
        try:
            while True:
                first, second = self._exactly(2)
                length = second & 127
                length = struct.unpack(">H", self._exactly(2))[0] if length == 126 else struct.unpack(">Q", self._exactly(8))[0] if length == 127 else length
                payload = self._exactly(length)
                if first == 0x89:
                    self.socket.sendall(frame(10, payload))
                elif first == 0x88:
                    code, reason = struct.unpack(">H", payload[:2])[0], payload[2:].decode()
                    break
                elif first == 0x81:
                    now, message = time.monotonic(), json.loads(payload)
                    with self.changed:
                        self.messages.append((now, message))
                        self.changed.notify_all()
        except (OSError, EOFError):
            pass
        with self.changed:
            self.closed, self.reason = code, reason
            self.changed.notify_all()

    def say(self, message):
        self.socket.sendall(frame(1, message if isinstance(message, bytes) else (message if isinstance(message, str) else json.dumps(message)).encode()))

    def raw(self, data):
        """False: the other side is gone."""
        try:
            self.socket.sendall(data)
            return True
        except OSError:
            return False

    def wait(self, wanted, timeout=10.0, after=0):
        """(time, message): the first of this type, or that the function accepts, behind so many messages."""
        accepts = wanted if callable(wanted) else lambda message: message["type"] == wanted
        deadline, seen = time.monotonic() + timeout, after
        with self.changed:
            while True:
                while seen < len(self.messages):
                    seen += 1
                    if accepts(self.messages[seen - 1][1]):
                        return self.messages[seen - 1]
                left = deadline - time.monotonic()
                if left <= 0 or (self.closed is not None and seen == len(self.messages)):
                    kinds = [message["type"] for _, message in self.messages[after:]]
                    pytest.fail(f"within {timeout:g} s no {wanted!r}; closed: {self.closed} {self.reason}; came: {kinds[-40:]}; "
                                f"last: {self.messages[-1:]}")
                self.changed.wait(left)

    def wait_closed(self, timeout=10.0):
        with self.changed:
            assert self.changed.wait_for(lambda: self.closed is not None, timeout), f"not closed within {timeout:g} s"
        return self.closed

    def ask(self, message, wanted, timeout=10.0):
        before = len(self.messages)
        self.say(message)
        return self.wait(wanted, timeout, before)[1]

    def events(self, *kinds):
        return [message for _, message in list(self.messages) if message["type"] in kinds]

    def wait_state(self, condition, timeout=10.0, after=0):
        """(time, state) of the first state_update whose state is so."""
        moment, message = self.wait(lambda it: it["type"] == "state_update" and condition(it["data"]["state"]), timeout, after)
        return moment, message["data"]["state"]

    def assert_no_gaps(self):
        numbers = [message["seq"] for _, message in list(self.messages) if "seq" in message]
        assert numbers and numbers == list(range(numbers[0], numbers[0] + len(numbers))), numbers

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
