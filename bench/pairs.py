"""Robot and operator on a signalling server by their figures: the first picture, the picture's way to the window, and what the operator takes.

The window stands on a screen in memory (Xvfb) that is read from outside, and the test camera's picture carries the time at which it was made."""

import mmap
import pathlib
import re
import statistics
import struct
import subprocess
import tempfile
import time
import os

from parts import RUNS, SECONDS, show, table
from processes import BINARY, HERE, PYTHON, Failed, Process, free_port, progress

WIDTH, HEIGHT = 1280, 720
STARTS = 9


class Screen:
    """Xvfb's picture, as the X window dump that it keeps in a file."""

    def __init__(self, folder):
        said, says = os.pipe()
        self.process = subprocess.Popen(["Xvfb", "-displayfd", str(says), "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-fbdir", folder, "-nolisten", "tcp"],
                                        pass_fds=[says], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(says)
        with os.fdopen(said) as lines:
            self.name = ":" + lines.readline().strip()
        with open(pathlib.Path(folder) / "Xvfb_screen0", "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        words = struct.unpack(">25I", self.memory[:100])
        self.start, self.row = words[0] + 12 * words[19], words[12]

    def green(self, x, y):
        return self.memory[self.start + y * self.row + 4 * x + 1]

    def code(self):
        """Unix milliseconds modulo 2^32, least significant bit from the left, in squares of 32 pixels."""
        return sum(1 << bit for bit in range(32) if self.green(bit * 32 + 16, 16) > 128)

    def stop(self):
        self.process.terminate()
        self.process.wait(5)


def cpu(pid):
    """Seconds of CPU that a process has used: its own clock (clock_getcpuclockid)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


def wait(true, what, seconds=15):
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise Failed(f"after {seconds} s still no {what}")
        time.sleep(0.0005)


def read_until(process, word):
    while word not in process.line(20):
        pass


class Pair:
    """A server and a robot that wait for operators."""

    def __init__(self):
        self.port = free_port()
        self.url = f"ws://127.0.0.1:{self.port}"
        self.server = Process([BINARY, "signal", "--port", str(self.port), "--bind", "127.0.0.1"])
        self.server.line(10)
        self.robot = Process([BINARY, "client", "--role", "robot", "--camera", "test", "--size", f"{WIDTH}x{HEIGHT}", "--ice-server", "none", "--signaling", self.url])
        self.free()

    def free(self):
        read_until(self.robot, "Waiting for operator")

    def operator(self, *options, environment=None):
        return Process([BINARY, "operator", "--ice-server", "none", "--commands", "none", "--signaling", self.url, *options], environment)

    def stop(self):
        self.robot.stop()
        self.server.stop()


def starts(pair, screen):
    ours, headless, plain = [], [], []
    for _ in range(STARTS):
        begin = time.monotonic()
        with pair.operator(environment={"DISPLAY": screen.name}):
            wait(lambda: screen.green(WIDTH // 2, HEIGHT // 3) > 20, "picture")
            ours.append(1000 * (time.monotonic() - begin))
        wait(lambda: screen.green(WIDTH // 2, HEIGHT // 3) < 20, "black screen")
        pair.free()
        begin = time.monotonic()
        with Process([PYTHON, "-u", str(HERE / "peers/aiortc_operator.py"), pair.url]) as peer:
            read_until(peer, "frame")
            plain.append(1000 * (time.monotonic() - begin))
        pair.free()
    progress(f"first picture: {ours}; aiortc {plain}")
    middle = statistics.median
    return [["operator's start → first picture on the screen, ms", show(middle(ours), 0), f"{min(ours):.0f}–{max(ours):.0f}", f"{STARTS} starts; robot and server are there"],
            ["the same, aiortc (Python's start and imports are in it), to the decoded picture", show(middle(plain), 0), f"{min(plain):.0f}–{max(plain):.0f}", f"{middle(plain) / middle(ours):.1f}×"]]


def glass(screen):
    """Milliseconds from a picture's time code to its being on the screen, each picture once."""
    found, last, end = [], screen.code(), time.monotonic() + SECONDS
    while time.monotonic() < end:
        code, now = screen.code(), int(time.time() * 1000)
        if code != last:
            # A picture that is being drawn may show half of a code: it must stand.
            if screen.code() == code:
                age = (now - code) & 0xFFFFFFFF
                if age < 2000:
                    found.append(age)
                last = code
        time.sleep(0.0005)
    return found


def windows(pair, screen):
    ages, shares, memories = [], [], []
    for _ in range(RUNS):
        with pair.operator(environment={"DISPLAY": screen.name}) as operator:
            wait(lambda: screen.green(WIDTH // 2, HEIGHT // 3) > 20, "picture")
            time.sleep(2)
            begin, used = time.monotonic(), cpu(operator.pid)
            run = glass(screen)
            shares.append(100 * (cpu(operator.pid) - used) / (time.monotonic() - begin))
            memories.append(resident(operator.pid))
            ages.append(run)
            progress(f"window: {len(run)} pictures, p50 {statistics.median(run)} ms, {shares[-1]:.1f} % of a core, {memories[-1]:.1f} MB")
        pair.free()
    every = sorted(age for run in ages for age in run)
    medians = " ".join(f"{statistics.median(run):.0f}" for run in ages)
    return [["capture → shown in the window, 720p30, p50 / p95, ms", f"{statistics.median(every):.0f} / {every[int(len(every) * .95)]:.0f}", medians,
             f"{len(every)} pictures in {RUNS} runs; read from the screen's memory every 0.5 ms, by the picture's own time code"],
            ["operator's CPU with a window, 720p30, % of a core", show(statistics.median(shares)), " ".join(f"{value:.1f}" for value in shares), "H.264 decoded by openh264, drawn by the processor"],
            ["operator's resident memory with a window, MB", show(statistics.median(memories)), "", ""]]


def headless(pair):
    rows = []
    for title, start in (("headless", lambda: pair.operator("--headless")), ("aiortc, which decodes", lambda: Process([PYTHON, "-u", str(HERE / "peers/aiortc_operator.py"), pair.url]))):
        with start() as operator:
            read_until(operator, "frame" if "aiortc" in title else "Received 30 frames")
            time.sleep(2)
            begin, used = time.monotonic(), cpu(operator.pid)
            time.sleep(SECONDS)
            share, memory = 100 * (cpu(operator.pid) - used) / (time.monotonic() - begin), resident(operator.pid)
        pair.free()
        progress(f"{title}: {share:.1f} % of a core, {memory:.1f} MB")
        rows.append([title, share, memory])
    (_, share, memory), (_, plain_share, plain_memory) = rows
    return [["operator's resident memory, headless, MB", show(memory), "", f"aiortc {plain_memory:.0f}: {plain_memory / memory:.0f}×"],
            ["operator's CPU, headless, 720p30, % of a core", show(share), "", f"aiortc, which also decodes, {plain_share:.0f}"]]


def pairs():
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        screen, pair = Screen(folder), Pair()
        try:
            for title, measure in (("starts", lambda: starts(pair, screen)), ("windows", lambda: windows(pair, screen)), ("headless", lambda: headless(pair))):
                try:
                    rows.extend(measure())
                except (Failed, OSError) as failure:
                    progress(f"{title}: {failure}")
                    rows.append([title, "–", "", str(failure).splitlines()[0]])
        finally:
            pair.stop()
            screen.stop()
    return ("## Robot and operator\n\n`waldo signal`, `waldo client --role robot` with its test picture, and an operator, on one machine.\n\n"
            + table(["figure", "value", "range", "how"], rows))
