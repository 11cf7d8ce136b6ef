"""The operator's window, on a screen in memory: what it shows, what it tells, and what it does when there is no display or that goes away."""

import os
import pathlib
import subprocess
import time

import pytest

from conftest import wait_until
from x_server import XServer

SQUARE = 32
# Where screenshots are kept for people; else they are nobody's.
SCREENSHOTS = os.environ.get("WALDO_SCREENSHOTS")


class Window:
    def __init__(self, binary, folder, screen, *options, environment=None, title="Camera 1"):
        self.screen, self.log_path = screen, folder / f"window-{time.monotonic_ns()}.log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [binary, "bench", "window", *options], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                env=environment or screen.environment())
        if screen:
            wait_until(lambda: any(line.startswith("open") for line in self.lines) or self.process.poll() is not None, "the window opens")
            self.number = wait_until(lambda: screen.windows().get(title), f"a window `{title}`: {screen.windows()}, {self.lines}")
            wait_until(lambda: self.shown() > 0, "a picture is shown")

    @property
    def lines(self):
        return self.log_path.read_text(errors="replace").splitlines()

    @property
    def events(self):
        return [line.removeprefix("event ") for line in self.lines if line.startswith("event ")]

    def figures(self):
        return [line.split() for line in self.lines if line.startswith("shown ")]

    def shown(self):
        return int(self.figures()[-1][1]) if self.figures() else 0

    def tell(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait_for(self, *events):
        """These events are the next ones, in this order, from what was seen last."""
        seen = getattr(self, "seen", 0)
        wait_until(lambda: len(self.events) >= seen + len(events), f"{events} after {self.events[:seen]}, got {self.events[seen:]}")
        assert self.events[seen:seen + len(events)] == list(events)
        self.seen = seen + len(events)

    def focus(self):
        self.screen.focus(self.number)
        time.sleep(0.2)

    @property
    def place(self):
        return self.screen.place(self.number)

    def pixel(self, x, y):
        left, top, _, _ = self.place
        return self.screen.pixel(left + x, top + y)

    def save(self, name):
        if SCREENSHOTS:
            self.screen.save(pathlib.Path(SCREENSHOTS) / f"{name}.png", self.place)

    def time_code(self, area, size):
        """The time code of a picture of that size, shown in that area (x, y, width, height) of the window: its low bits, and how many."""
        bits = min(32, size[0] // SQUARE)
        code = 0
        left, top, _, _ = self.place
        for bit in range(bits):
            x = left + area[0] + (bit * SQUARE + 16) * area[2] // size[0]
            code |= (self.screen.pixel(x, top + area[1] + 16 * area[3] // size[1])[1] > 128) << bit
        return code, bits

    def age(self, area, size):
        """Milliseconds since the picture that is shown was taken."""
        code, bits = self.time_code(area, size)
        age = (int(time.time() * 1000) - code) % (1 << bits)
        return age if age < 1 << (bits - 1) else age - (1 << bits)

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdin.close()
        self.process.wait(5)


@pytest.fixture
def screen(tmp_path):
    server = XServer(str(tmp_path))
    yield server
    server.stop()


@pytest.fixture
def window(binary, tmp_path, screen):
    """window("--size", "640x480", …) opens one; all are ended after the test."""
    windows = []

    def start(*options, **where):
        windows.append(Window(binary, tmp_path, where.pop("screen", screen), *options, **where))
        return windows[-1]

    yield start
    for each in windows:
        each.stop()


def test_the_newest_picture_is_there_within_a_picture_and_costs_little(window):
    for size in ((640, 480), (1280, 720)):
        view = window("--size", "%dx%d" % size, "--hud", "Camera 1  30/s", "--hud", "latency 12 ms")
        assert view.place[2:] == size
        area = (0, 0, *size)
        view.save("%dx%d" % size)
        # The moments at which a new picture appears, looked for each half millisecond.
        ages, code, begin = [], view.time_code(area, size), time.monotonic()
        while time.monotonic() < begin + (4 if len(ages) > 60 else 12):
            if (new := view.time_code(area, size)) != code:
                code = new
                ages.append(view.age(area, size))
            time.sleep(0.0005)
        assert len(ages) > 60, f"{len(ages)} pictures in 12 s: {view.lines}"
        ages.sort()
        print(f"{size[0]}x{size[1]}: capture to glass p50 {ages[len(ages) // 2]} ms, p95 {ages[len(ages) * 95 // 100]} ms, load {os.getloadavg()[0]:.2f}")
        print("  " + view.lines[-1])
        assert 0 <= ages[len(ages) // 2] < 1000
        view.tell("close")
        assert view.process.wait(5) == 0


def test_the_picture_keeps_its_aspect_with_black_beside_it(window, screen):
    view = window("--size", "640x480", "--hud", "speed 0.42 m/s")
    for (width, height), area in (
        ((1280, 720), (160, 0, 960, 720)),
        ((801, 333), (179, 0, 442, 332)),
        ((500, 900), (0, 262, 500, 376)),
    ):
        screen.resize(view.number, width, height)
        wait_until(lambda: view.place == (0, 0, width, height) and 0 <= view.age(area, (640, 480)) < 2000,
                   f"a time code at {width}x{height}")
        view.save(f"640x480-in-{width}x{height}")
        x, y, w, h = area
        # A window that is read while it is drawn anew may be of two pictures: not so beside the picture.
        for place in [(x // 2, height // 3), (x + w + x // 2, height // 3)] if x else [(width // 2, y // 2), (width // 2, height - y // 2)]:
            assert view.pixel(*place) == (0, 0, 0), f"at {place} of {width}x{height}"
        assert view.pixel(x + w // 2, y + h // 2) != (0, 0, 0)


def light(view, width, height):
    """How much white there is where the text is, in the lower left corner."""
    return sum(view.pixel(x, y) == (255, 255, 255) for x in range(4, width) for y in range(view.place[3] - height, view.place[3]))


def test_text_can_be_hidden_and_changed(window, screen):
    view = window("--size", "640x480", "--hud", "EMERGENCY STOP")
    wait_until(lambda: light(view, 180, 20) > 200, "text")
    view.focus()
    screen.press("h")
    wait_until(lambda: light(view, 180, 20) == 0, "no text")
    view.tell("hud " + "#" * 30)
    screen.press("h")
    wait_until(lambda: light(view, 360, 20) > 2000, "much text")


def test_keys_are_told_once_and_only_with_the_keyboard(window, screen):
    view = window("--size", "640x480")
    screen.focus(None)
    screen.press("w")
    time.sleep(0.3)
    assert [event for event in view.events if event != "focus-lost"] == [], "the keyboard was nobody's"
    view.focus()
    view.seen = len(view.events)
    for key, told in (("w", "w"), ("a", "a"), ("s", "s"), ("d", "d"), ("Up", "up"), ("Left", "left"), ("Down", "down"), ("Right", "right")):
        screen.key(key, 1)
        # Long enough for a keyboard to repeat it.
        time.sleep(0.8 if key == "w" else 0)
        screen.key(key, 0)
        view.wait_for(f"key {told} down", f"key {told} up")
    screen.press("Escape")
    view.wait_for("emergency-stop")
    screen.press("c")
    view.wait_for("clear-emergency-stop")
    screen.key("Control_L", 1)
    screen.press("c")
    screen.press("q")
    screen.key("Control_L", 0)
    screen.key("w", 1)
    view.wait_for("key w down")
    # The keyboard goes elsewhere while a key is down.
    screen.focus(None)
    wait_until(lambda: "focus-lost" in view.events[view.seen:], "focus lost")
    assert view.events[view.seen:] in (["key w up", "focus-lost"], ["focus-lost"], ["focus-lost", "key w up"])
    screen.key("w", 0)


@pytest.mark.parametrize("how", ["q", "close"])
def test_the_person_closes_the_window(window, screen, how):
    view = window("--size", "640x480")
    view.focus()
    screen.press("q") if how == "q" else screen.close(view.number)
    view.wait_for("focus-lost", "quit")
    assert view.process.wait(5) == 0
    assert view.lines[-1] == "closed"


def test_f_is_the_whole_screen_and_back(window, screen):
    view = window("--size", "640x480")
    view.focus()
    screen.press("f")
    # The window asks; a window manager, which there is none of here, does it.
    wait_until(screen.asked_for_full_screen, "the wish for the whole screen")
    screen.resize(view.number, 1600, 1000)
    wait_until(lambda: 0 <= view.age((133, 0, 1334, 1000), (640, 480)) < 2000, "a time code on the whole screen")
    view.save("full-screen")
    screen.press("f")
    wait_until(lambda: screen.asked_for_full_screen(wish=0), "the wish for a window again")


def test_a_game_controller_that_comes_and_goes(window, screen):
    view = window("--size", "640x480")
    screen.focus(None)
    time.sleep(0.2)
    view.seen = len(view.events)
    view.tell("pad attach")
    view.wait_for("gamepad Virtual pad")
    view.tell("pad stick 50 100")
    view.tell("pad hold")
    time.sleep(0.3)
    view.tell("pad stop")
    view.wait_for("button emergencyStop down")
    view.tell("pad stop-end")
    view.wait_for("button emergencyStop up")
    view.focus()
    view.wait_for("button deadMan down", "stick 0.5 1.0")
    view.tell("pad release")
    view.wait_for("button deadMan up")
    view.tell("pad stick -100 -25")
    view.wait_for("stick -1.0 -0.25")
    screen.focus(None)
    view.wait_for("focus-lost")
    view.tell("pad stick 0 0")
    time.sleep(0.3)
    view.focus()
    view.wait_for("stick 0.0 0.0")
    view.tell("pad detach")
    view.wait_for("gamepad-gone")
    view.tell("pad attach")
    view.wait_for("gamepad Virtual pad", "stick 0.0 0.0")


@pytest.mark.parametrize("rate", ["1", "120"])
def test_a_display_that_goes_away_ends_the_window_and_nothing_else(window, screen, rate):
    view = window("--size", "640x480", "--rate", rate)
    screen.kill()
    view.wait_for("focus-lost", "lost the connection to the display ended")
    assert view.process.wait(5) == 0, "\n".join(view.lines)
    assert view.lines[-1] == "closed"


def test_a_display_whose_pixels_have_16_bits(window, tmp_path):
    server = XServer(str(tmp_path), depth=16)
    try:
        view = window("--size", "640x480", screen=server)
        view.focus()
        server.press("q")
        view.wait_for("focus-lost", "quit")
    finally:
        server.stop()


def end_without_a_window(binary, **environment):
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER")}
    done = subprocess.run([binary, "bench", "window", "--seconds", "1"], env={**kept, **environment}, capture_output=True, text=True,
                          timeout=20)
    assert (done.returncode, done.stderr) == (1, "")
    return done.stdout


def test_no_display_is_said_in_words(binary, screen):
    assert end_without_a_window(binary) == "no-display neither DISPLAY nor WAYLAND_DISPLAY is set\n"
    assert end_without_a_window(binary, DISPLAY="") == "no-display neither DISPLAY nor WAYLAND_DISPLAY is set\n"
    assert end_without_a_window(binary, DISPLAY=":7999").startswith("no-display the display does not answer (")
    assert end_without_a_window(binary, WAYLAND_DISPLAY="none", XDG_RUNTIME_DIR="/tmp").startswith("no-display the display does not answer (")
    missing = end_without_a_window(binary, DISPLAY=screen.name, WALDO_SDL="/nowhere/libSDL2.so")
    assert missing.startswith("no-display SDL is missing (/nowhere/libSDL2.so: cannot open shared object file"), missing
    other = end_without_a_window(binary, DISPLAY=screen.name, WALDO_SDL="libz.so.1")
    assert other.startswith("no-display libz.so.1 has no function SDL_"), other
