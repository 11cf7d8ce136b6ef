"""`--drive sim`: commands go through the safety gate (specs: teleop-client clause 8, safety clauses 3 to 7). And what an operator records."""

import json
import re
import signal
import threading
import time

import pytest
from mcap.reader import SeekingReader

from client_support import PATIENCE, SENT, stage  # noqa: F401
from conftest import wait_until

MOTION = re.compile(r".* motion state=(\w+)(?: reason=(\w+))?.*")


class Stick(threading.Thread):
    """Says the same thirty times a second until something else is to be said; nil: nothing."""

    def __init__(self, say):
        super().__init__(daemon=True)
        self.say, self.text, self.is_over = say, None, False
        self.start()

    def run(self):
        while not self.is_over:
            if text := self.text:
                try:
                    self.say(text)
                except (OSError, ValueError):
                    return
            time.sleep(1 / 30)

    def hold(self, x=0.0, y=0.0):
        self.text = json.dumps({"x": x, "y": y})

    def rest(self):
        self.hold()

    def fall_silent(self):
        self.text = None


@pytest.fixture
def stick(stage):
    sticks = []

    def hold(client, word=""):
        sticks.append(Stick(lambda text: client.say(word + text)))
        return sticks[-1]

    yield hold
    for each in sticks:
        each.is_over = True
        each.join(2)


class Driven:
    """The robot, by its diagnostic log."""

    def __init__(self, stage, *options):
        self.client = stage.robot("--drive", "sim", "--size", "320x240", "--rate", "10", "--log-level", "debug", *options)
        self.client.expect("Waiting for operator...")

    def motions(self):
        return [match.groups() for line in list(self.client.errors) if (match := MOTION.fullmatch(line))]

    @property
    def state(self):
        found = self.motions()
        return found[-1] if found else ("idle", None)

    @property
    def moves(self):
        return self.state[0] == "moving"

    def until(self, condition, what, timeout=PATIENCE):
        return wait_until(condition, f"{what}; {self.motions()[-8:]} {self.client.log}", timeout, interval=0.02)

    def clear(self, operator):
        """An operator whose stick is at rest takes the emergency stop off. On a busy machine the robot may not have seen that rest yet."""
        def asked():
            operator.say('{"type":"clear"}')
            time.sleep(0.2)
            return any("emergency stop cleared" in line for line in list(self.client.errors))
        self.until(asked, "the emergency stop is off")

    def stands_for(self, seconds):
        """It does not move, from now on."""
        count = len(self.motions())
        time.sleep(seconds)
        assert not [each for each in self.motions()[count:] if each[0] == "moving"] and not self.moves, self.motions()

    def get_going(self, stick):
        """On a busy machine it may have to stop again: it is let go, and goes on."""
        for _ in range(8):
            stick.rest()
            time.sleep(0.4)
            stick.hold(y=0.3)
            deadline = time.monotonic() + 4
            while time.monotonic() < deadline:
                if self.moves:
                    return
                time.sleep(0.02)
        pytest.fail(f"it never moves: {self.motions()} {self.client.log}")


def test_our_operator_drives(stage, stick):
    driven = Driven(stage)
    operator = stage.operator("--commands", "stdin", "--stats")
    operator.expect("Data channel open")
    hand = stick(operator)
    # A robot starts with nobody in control: the stick must have been at rest.
    hand.hold(y=0.4)
    driven.stands_for(1)
    driven.get_going(hand)
    hand.fall_silent()
    driven.until(lambda: driven.state == ("stopped", "silence"), "silence stops it")
    # No surprise start after a gap.
    hand.hold(y=0.4)
    driven.stands_for(0.6)
    driven.get_going(hand)
    operator.say('{"type":"estop"}')
    driven.until(lambda: driven.state == ("stopped", "estop"), "it is latched")
    driven.stands_for(0.4)
    # Not while the stick is away from rest, and not by rest alone.
    operator.say('{"type":"clear"}')
    driven.stands_for(0.4)
    hand.rest()
    time.sleep(0.4)
    hand.hold(y=0.4)
    driven.stands_for(0.6)
    hand.rest()
    time.sleep(0.4)
    # Asked before the pull: not undone by what was on its way.
    operator.say('{"type":"clear","epoch":1}')
    time.sleep(0.4)
    assert not any("emergency stop cleared" in line for line in list(driven.client.errors))
    driven.clear(operator)
    driven.get_going(hand)
    figures = [json.loads(line) for line in operator.lines if line.startswith("{")]
    assert any(each["drives"] and each["estop"] is not None for each in figures), figures[-3:]
    hand.fall_silent()
    driven.until(lambda: not driven.moves, "it stands")


def test_a_robot_whose_words_nobody_reads_is_driven_and_stopped_as_ever(stage, stick):
    driven = Driven(stage)
    operator = stage.operator("--commands", "stdin")
    operator.expect("Data channel open")
    hand = stick(operator)
    with driven.client.held():
        # More than the pipe takes.
        for _ in range(40):
            operator.say(json.dumps({"x": 0, "y": 0, "more": "m" * 8000}))
        operator.expect(SENT)
        driven.get_going(hand)
        hand.fall_silent()
        driven.until(lambda: driven.state == ("stopped", "silence"), "silence stops it")
        operator.say('{"type":"estop"}')
        driven.until(lambda: any("emergency stop" in line for line in list(driven.client.errors)), "it is latched")
        driven.client.process.send_signal(signal.SIGTERM)
        assert driven.client.process.wait(10) == 0


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_without_its_operator_it_stands(stage, stick, how):
    driven = Driven(stage)
    operator = stage.operator("--commands", "stdin")
    operator.expect("Data channel open")
    driven.get_going(stick(operator))
    if how == "killed":
        operator.kill()
    else:
        operator.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    driven.until(lambda: driven.state[0] in ("stopped", "idle"), "it stands", 10)
    assert time.monotonic() - began < 3, driven.motions()
    driven.client.expect("Waiting for operator...")


def test_a_plain_operator_drives(stage, stick):
    driven = Driven(stage)
    operator = stage.plain("operator")
    operator.expect("channel open")
    hand = stick(operator, "send ")
    driven.get_going(hand)
    assert not [line for line in operator.lines if line.startswith("message")], "a plain operator is told nothing"
    # What cannot be carried out is no sign of life.
    hand.text = '{"x":"left","y":null}'
    driven.until(lambda: driven.state == ("stopped", "silence"), "silence stops it")
    driven.client.expect(re.compile("Warning: .*"))
    assert driven.client.count(re.compile("Warning: .*")) == 1, driven.client.log
    for text in ('{"x":1e400,"y":1}', '{"x":"nan","y":"inf"}', '{"y":1}', "[]", '{"x":true,"y":true}'):
        hand.text = text
        time.sleep(0.1)
    driven.stands_for(0.3)
    driven.get_going(hand)
    hand.fall_silent()
    operator.say("close")
    driven.until(lambda: driven.state[0] in ("stopped", "idle"), "it stands")


def test_no_test_commands_to_a_robot_that_drives(stage):
    """Clause 8: they are refused; and where they were asked for all the same, they are slow, and silence lasts longer."""
    driven = Driven(stage)
    operator = stage.operator("--command-interval", "0.5")
    operator.expect(re.compile("Warning: .*yes-drive-randomly.*"))
    operator.more_frames(30)
    assert operator.count(SENT) == 0 and len(operator.find(re.compile("Warning: .*yes-drive-randomly.*"))) == 1, operator.log
    operator.stop()
    driven.client.expect("Waiting for operator...")
    other = stage.operator("--command-interval", "0.5", "--yes-drive-randomly")
    driven.until(lambda: driven.moves, "it moves")
    wait_until(lambda: other.count(SENT) >= 2, f"commands; {other.log}")
    other.kill()
    driven.until(lambda: driven.state[0] in ("stopped", "idle"), "it stands")


def test_a_viewer_sees_and_does_not_drive(stage, stick):
    driven = Driven(stage, "--viewers", "1")
    driver = stage.operator("--commands", "stdin")
    driver.expect("Data channel open")
    viewer = stage.operator("--commands", "stdin")
    viewer.expect("Data channel open")
    third = stage.operator()
    third.expect("Robot is busy")
    third.stop()
    viewer.more_frames(30)
    driver.more_frames(30)
    watching = stick(viewer)
    watching.rest()
    time.sleep(0.3)
    watching.hold(y=0.4)
    driven.client.more_actions(10)
    driven.stands_for(0.5)
    hand = stick(driver)
    driven.get_going(hand)
    viewer.say('{"type":"estop"}')
    driven.until(lambda: driven.state == ("stopped", "estop"), "anybody may stop it")
    hand.rest()
    time.sleep(0.3)
    viewer.say('{"type":"clear"}')
    hand.hold(y=0.4)
    driven.stands_for(0.5)
    hand.rest()
    time.sleep(0.4)
    driven.clear(driver)
    driven.get_going(hand)
    # The viewer holds the stick away from rest all the while: the robot does not start under it.
    watching.hold(y=0.4)
    driver.stop()
    driven.until(lambda: not driven.moves, "it stands")
    driven.stands_for(0.8)
    driven.get_going(watching)
    viewer.more_frames(30)


def test_what_an_operator_records(stage, tmp_path):
    path = tmp_path / "operator.mcap"
    robot, operator = stage.robot(), stage.operator("--record", str(path), "--command-interval", "0.2")
    operator.more_frames(60)
    operator.stop()
    sent = [SENT.fullmatch(line).group(1) for line in operator.find(SENT)]
    with open(path, "rb") as file:
        found = [(channel.topic, channel.message_encoding, message.data)
                 for _, channel, message in SeekingReader(file, validate_crcs=True).iter_messages()]
    topics = {topic for topic, _, _ in found}
    assert len([topic for topic, _, _ in found if topic.startswith("/video/")]) >= 60, topics
    actions = [json.loads(data) for topic, encoding, data in found if encoding == "json" and "action" in topic]
    assert [(each["x"], each["y"]) for each in actions] == [(json.loads(text)["x"], json.loads(text)["y"]) for text in sent], topics
