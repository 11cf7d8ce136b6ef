"""The examples that talk to others, run as their first lines say."""

import pathlib

import pytest

from client_support import FRAMES, Lines, stage  # noqa: F401
from monitor import room  # noqa: F401


@pytest.fixture
def example(binary, stage):
    def start(name, *arguments):
        return stage.add(Lines(["stdbuf", "-oL", pathlib.Path(binary).parent / name, *arguments]))
    return start


def test_robot_and_operator(stage, example):
    robot = example("RobotExample", stage.hub.url)
    robot.expect("Waiting for operator...")
    operator = example("OperatorExample", stage.hub.url)
    operator.expect("a picture of 640x480")
    operator.expect(FRAMES)
    robot.expect('the operator asks for {"x":0.1,"y":0.2}')


def test_each_with_the_command(stage, example):
    robot = example("RobotExample", stage.hub.url)
    robot.expect("Waiting for operator...")
    operator = stage.operator("--peer", "example robot")
    operator.more_frames()
    operator.stop()
    robot.expect("Data channel closed")
    robot.kill()
    other = stage.robot()
    example("OperatorExample", stage.hub.url).expect("a picture of 320x240")
    other.more_actions()


def test_a_monitor_with_a_detector_of_its_own(binary, stage, room):
    here = pathlib.Path("/tmp/somebody-is-there")
    here.unlink(missing_ok=True)
    # On a network of its own: on the machine's it would see who drives in the tests beside.
    monitor = stage.add(Lines(room.within("stdbuf", "-oL", pathlib.Path(binary).parent / "MonitorExample", "60")))
    monitor.expect("alert: queue the queue is long")
    try:
        here.touch()
        monitor.expect('teleoperated by ["somebody"]')
    finally:
        here.unlink(missing_ok=True)
    monitor.expect("nobody teleoperates")
