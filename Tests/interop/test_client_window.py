"""The operator's window and the hands at it: a driven robot obeys keys, on the picture that is shown, and stops when they come off."""

import json
import os
import re
import signal
import time

import pytest

from client_support import stage
from conftest import wait_until
from x_server import XServer

SCREENSHOTS = os.environ.get("WALDO_SCREENSHOTS")


@pytest.fixture
def screen(tmp_path):
    folder = tmp_path / "screen"
    folder.mkdir()
    here = XServer(str(folder))
    yield here
    if here.process.poll() is None:
        here.stop()


def figures(operator):
    found = [json.loads(line) for line in operator.lines if line.startswith('{"event":"stats"')]
    return found[-1] if found else {}


def moves(operator):
    """What the operator has said, newest last."""
    return [json.loads(line.removeprefix("Action sent: ")) for line in operator.lines if line.startswith("Action sent: {")]


def drive(screen, key, is_moving):
    """Holds a key until the robot moves; anew where the robot had to stop meanwhile, and wants the key to come up first."""
    def again():
        screen.key(key, 0)
        time.sleep(0.3)
        screen.key(key, 1)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if is_moving():
                return True
            time.sleep(0.05)
        return False
    wait_until(again, "the robot moves", timeout=30)


def test_keys_drive_and_the_emergency_stop_stops(stage, screen):
    robot = stage.robot("--drive", "sim", "--log-level", "debug")
    robot.expect("Waiting for operator...")
    operator = stage.client("operator", "--stats", environment={"DISPLAY": screen.name})
    window = wait_until(lambda: screen.windows().get("Camera 1"), "the window")
    operator.expect("Data channel open")
    # Numbers at random are no way to drive a robot.
    operator.expect(re.compile(r"Warning: this robot \(Waldo Rover\) really drives: no test commands .*"))
    screen.focus(window)
    said = lambda text: any(text in line for line in robot.errors)

    # A robot takes a stick at rest first: a key that comes and goes is one.
    screen.press("w")
    wait_until(lambda: any(move["x"] == "0.00" and move["y"] == "0.00" for move in moves(operator)), "a stick at rest")
    drive(screen, "w", lambda: said("motion state=moving") and figures(operator).get("motion") == "moving")
    wait_until(lambda: len([move for move in moves(operator) if move["y"] == "1.00" and move.get("hold")]) > 20, "stamped commands")
    newest = moves(operator)[-1]
    assert newest["seen"] > 0 and newest["epoch"] > 0, newest
    screen.key("w", 0)
    wait_until(lambda: figures(operator).get("motion") == "idle", "the robot stands when the key comes up")

    screen.key("d", 1)
    wait_until(lambda: any(move["x"] == "1.00" for move in moves(operator)), "turning right")
    screen.press("Escape")
    wait_until(lambda: said("emergency stop by="), f"the emergency stop: {robot.log}")
    wait_until(lambda: figures(operator).get("estop") is True, "the operator is told")
    screen.key("d", 0)
    if SCREENSHOTS:
        screen.save(os.path.join(SCREENSHOTS, "operator-estop.png"), screen.place(window))
    wait_until(lambda: moves(operator)[-1]["x"] == "0.00", "the stick at rest")

    def clear():
        screen.press("c")
        return said("emergency stop cleared")
    wait_until(clear, "the latch is off", interval=0.7)
    screen.press("w")
    wait_until(lambda: figures(operator).get("estop") is False, "the operator is told")

    # Q closes the picture, and nothing else.
    frames = figures(operator)["frames"]
    screen.press("q")
    wait_until(lambda: "Camera 1" not in screen.windows(), "the window goes")
    wait_until(lambda: figures(operator)["frames"] > frames + 20, "frames are still received")
    assert figures(operator)["state"] == "connected"
    operator.stop()
    robot.expect("Waiting for operator...")


def test_losing_the_keyboard_lets_go_of_everything(stage, screen):
    robot = stage.robot("--drive", "sim", "--log-level", "debug")
    robot.expect("Waiting for operator...")
    operator = stage.client("operator", "--stats", environment={"DISPLAY": screen.name})
    window = wait_until(lambda: screen.windows().get("Camera 1"), "the window")
    operator.expect("Data channel open")
    screen.focus(window)
    screen.press("Up")
    wait_until(lambda: moves(operator), "a stick at rest")
    drive(screen, "Up", lambda: figures(operator).get("motion") == "moving")
    screen.focus(None)
    wait_until(lambda: figures(operator).get("motion") in ("idle", "stopped"), "the robot stands though the key is down")
    # The display dies with a key down: the client lives on, and says so.
    screen.focus(window)
    screen.key("Up", 0)
    screen.stop()
    operator.expect(re.compile(r"Warning: the window is gone: .*"))
    frames = figures(operator)["frames"]
    wait_until(lambda: figures(operator)["frames"] > frames + 20, "frames are still received")
    operator.stop()


def test_without_a_display_it_runs_headless(stage):
    robot = stage.robot()
    robot.expect("Waiting for operator...")
    for environment in ({}, {"DISPLAY": ":4711"}):
        operator = stage.client("operator", environment=environment)
        operator.expect("No display, running headless")
        operator.expect("Received 30 frames (320x240)")
        operator.stop()
        robot.expect("Waiting for operator...")


@pytest.mark.parametrize("how", [(), ("--yes-drive-randomly",)])
def test_a_display_that_hangs_holds_no_key(stage, screen, how):
    """With test commands the robot asks for no fresh picture: nothing else would tell that nobody knows where the hands are."""
    robot = stage.robot("--drive", "sim", "--log-level", "debug")
    robot.expect("Waiting for operator...")
    operator = stage.client("operator", "--command-interval", "30", *how, environment={"DISPLAY": screen.name})
    window = wait_until(lambda: screen.windows().get("Camera 1"), "the window")
    operator.expect("Data channel open")
    screen.focus(window)
    state = lambda: ([line for line in list(robot.errors) if "motion state=" in line] or [""])[-1]
    screen.press("w")
    wait_until(lambda: any(move["x"] == "0.00" == move["y"] and "hold" in move for move in moves(operator)), "a stick at rest")
    drive(screen, "w", lambda: len([move for move in moves(operator) if move["y"] == "1.00"]) > 10 and "state=moving" in state())
    screen.process.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: "state=moving" not in state() and moves(operator)[-1]["y"] == "0.00", f"it stands: {state()} {moves(operator)[-3:]}", 5)
    finally:
        screen.process.send_signal(signal.SIGCONT)
    # Still down, but it counts only when it is pressed anew.
    time.sleep(1)
    assert "state=moving" not in state() and moves(operator)[-1]["y"] == "0.00", moves(operator)[-3:]
    screen.key("w", 0)
