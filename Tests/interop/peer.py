"""Drives `waldo bench peer`: one process a peer, lines in, lines out. Every wait is bounded."""

import base64
import os
import queue
import subprocess
import threading
import time


def binary():
    path = os.environ.get("WALDO_BINARY")
    if not path:
        raise RuntimeError("WALDO_BINARY: expected the path of the built waldo program; run the tests by `./waldo test`")
    return path


class Peer:
    """One peer. `lines` holds all that it has said, for messages of failed tests."""

    def __init__(self, *options, namespace=None):
        command = [binary(), "bench", "peer", *options]
        if namespace:
            command = ["ip", "netns", "exec", namespace, *command]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.lines = []
        self.errors = []
        self._waiting = queue.Queue()
        self._unread = []
        self._readers = [
            threading.Thread(target=self._read, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        for line in self.process.stdout:
            self._waiting.put(line.rstrip("\n"))
        self._waiting.put(None)

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line.rstrip("\n"))

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def _take(self, deadline):
        try:
            line = self._waiting.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            return False
        if line is None:
            self._waiting.put(None)
            return False
        self.lines.append(line)
        self._unread.append(line)
        return True

    def expect(self, wanted, timeout=20):
        """The next line that begins with `wanted` (or that the function `wanted` accepts); lines before it stay for others."""
        accepts = wanted if callable(wanted) else lambda line: line == wanted or line.startswith(wanted + " ")
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            while seen < len(self._unread):
                if accepts(self._unread[seen]):
                    return self._unread.pop(seen)
                seen += 1
            if not self._take(deadline):
                said = "\n  ".join(self.lines[-30:] + self.errors[-10:])
                raise AssertionError(f"expected {wanted!r} within {timeout} s; the peer said:\n  {said}")

    def description(self, kind, timeout=20):
        """The next offer or answer, as SDP text."""
        return base64.b64decode(self.expect(kind, timeout).split(" ")[1]).decode()

    def offer(self, restart=False, timeout=20):
        self.say("restart" if restart else "create-offer")
        return self.description("offer", timeout)

    def answer(self, sdp, timeout=20):
        """Hands over an offer and returns the answer to it."""
        self.say("offer " + base64.b64encode(sdp.encode()).decode())
        return self.description("answer", timeout)

    def accept(self, sdp):
        """Hands over the answer to our own offer."""
        self.say("answer " + base64.b64encode(sdp.encode()).decode())

    def statistics(self, timeout=5):
        """A dictionary of texts by name."""
        self.say("stats")
        return dict(pair.split("=", 1) for pair in self.expect("stats", timeout).split(" ")[1:])

    def close(self):
        if self.process.poll() is None:
            try:
                self.say("close")
                self.process.wait(timeout=5)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait(timeout=5)
        for reader in self._readers:
            reader.join(timeout=5)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                pipe.close()
            except OSError:
                pass


def negotiate(offerer, answerer, restart=False, timeout=20):
    """One round of offer and answer between two peers."""
    offerer.accept(answerer.answer(offerer.offer(restart, timeout), timeout))


def connect(offerer, answerer, timeout=20):
    negotiate(offerer, answerer, timeout=timeout)
    for peer in (offerer, answerer):
        peer.expect("state connected", timeout)
