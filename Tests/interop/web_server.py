"""A `waldo bench web` for a test, and curl."""

import os
import re
import signal
import socket
import subprocess
import time

from conftest import wait_until


class Web:
    """A `waldo bench web` of this test."""

    def __init__(self, binary, folder, options=(), address="127.0.0.1"):
        self.folder, self.address = folder, address
        self.files = folder / "files"
        self.files.mkdir(exist_ok=True)
        (self.files / "index.html").write_text("<p>hello\n")
        (self.files / "big.bin").write_bytes(os.urandom(3_000_000))
        (self.files / "app.js").write_text("plain")
        (self.files / "app.js.gz").write_bytes(b"zipped")
        (self.files / ".secret").write_text("x")
        if not (self.files / "out").is_symlink():
            (self.files / "out").symlink_to("/etc")
        self.unix = folder / "web.sock"
        self.log = folder / "web.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "bench", "web", "--port", "0", "--bind", address, "--files", self.files, "--unix", self.unix, *options], stdout=log, stderr=log)
        found = wait_until(lambda: re.search(r"(https?)://.*:(\d+)/", self.log.read_text()), "the server says its port")
        self.port = int(found.group(2))
        self.url = f"{found.group(1)}://{address}:{self.port}"

    def stop(self):
        if self.process.poll() is not None:
            return f"ended by itself with {self.process.returncode}: {self.log.read_text()}"
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "did not end within 15 s of SIGTERM"

    def raw(self, data, timeout=5.0):
        """All that comes back for these bytes until the server closes or `timeout` is over."""
        with socket.create_connection((self.address, self.port)) as connection:
            connection.sendall(data)
            received, end = b"", time.monotonic() + timeout
            try:
                while (left := end - time.monotonic()) > 0:
                    connection.settimeout(left)
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    received += piece
            except (TimeoutError, ConnectionResetError):
                pass
            return received


def curl(*arguments, data=None):
    done = subprocess.run(["curl", "-s", "-m", "10", *map(str, arguments)], input=data, capture_output=True)
    assert done.returncode == 0, done
    return done.stdout


def status(*arguments):
    return int(curl("-o", "/dev/null", "-w", "%{http_code}", *arguments))
