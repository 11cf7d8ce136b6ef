"""The examples that talk to others, run as their first lines say."""

import pathlib

import pytest

from client_support import FRAMES, Lines, stage  # noqa: F401


@pytest.fixture
def example(binary, stage):
    def start(name):
        return stage.add(Lines(["stdbuf", "-oL", pathlib.Path(binary).parent / name, stage.hub.url]))
    return start


def test_robot_and_operator(stage, example):
    robot = example("RobotExample")
    robot.expect("Waiting for operator...")
    operator = example("OperatorExample")
    operator.expect("a picture of 640x480")
    operator.expect(FRAMES)
    robot.expect('the operator asks for {"x":0.1,"y":0.2}')


def test_each_with_the_command(stage, example):
    robot = example("RobotExample")
    robot.expect("Waiting for operator...")
    operator = stage.operator("--peer", "example robot")
    operator.more_frames()
    operator.stop()
    robot.expect("Data channel closed")
    robot.kill()
    other = stage.robot()
    example("OperatorExample").expect("a picture of 320x240")
    other.more_actions()
