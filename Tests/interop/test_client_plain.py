"""Plain peers, written with aiortc: with our operator, and with our robot (specs: teleop-client clause 14)."""

import json
import re
import time


from client_support import PATIENCE, RECEIVED, SENT, new_name, stage  # noqa: F401
from conftest import wait_until

PICTURES = re.compile(r"frames (\d+) (\d+)x(\d+)")
ENDED = re.compile("Connection state: (closed|failed)")


def pictures(plain, count=10):
    """So many more pictures have come out of its decoder."""
    def shown():
        found = plain.find(PICTURES)
        return int(PICTURES.fullmatch(found[-1]).group(1)) if found else 0
    wanted = shown() + count
    wait_until(lambda: shown() >= wanted, f"{wanted} pictures; {plain.log}", PATIENCE)


def test_a_plain_robot(stage):
    """It is slower with its answer than we offer again, and its second answer is ignored."""
    robot = stage.plain("robot", "4")
    robot.expect("connected")
    operator = stage.operator("--command-interval", "0.5")
    operator.connected()
    operator.expect("Received 30 frames (320x240)")
    robot.expect("channel robot-control")
    said = [json.loads(robot.expect(re.compile("message (.*)")).group(1)) for _ in range(4)]
    assert all(set(command) == {"x", "y"} and all(re.fullmatch(r"0\.\d\d", value) for value in command.values()) for command in said), said
    # The second answer to the same offer disturbs nothing.
    wait_until(lambda: robot.count("answer sent") >= 2, f"it answers again; {robot.log}", PATIENCE)
    operator.more_frames()
    assert operator.count("Answer received") == operator.count("Offer sent") == operator.count("Connection state: connected") == 1, operator.log


def test_an_operator_waits_for_a_plain_robot(stage):
    """It says no `ready`: the next of our offers finds it."""
    operator = stage.operator("--no-test-commands")
    operator.expect("Offer sent")
    robot = stage.plain("robot")
    operator.connected()
    operator.more_frames()
    assert operator.count(SENT) == 0 and robot.count(re.compile("message .*")) == 0
    assert operator.errors == [], operator.log


def test_a_plain_operator(stage):
    """Clause 8: what it may say, and what becomes of that."""
    robot = stage.robot()
    robot.expect("Waiting for operator...")
    operator = stage.plain("operator")
    robot.connected()
    operator.expect("channel open")
    for text in ('{"x":0.25,"y":-1}', '{"x":"0.5","y":"5e-1"}', ' {"y": "1", "x": 7, "more": {"x": []}} ', '{"x":"left"}', '{}', '{"type":"estop"}'):
        operator.say(f"send {text}")
        robot.expect(f"Action received: {text}")
    for text in ("hello robot", "[1,2]", '{"x":', '"x"', "17", "null"):
        operator.say(f"send {text}")
        robot.expect(f"Received non-JSON message: {text}")
    operator.say('bytes {"x":"0.11","y":"0.12"}')
    robot.expect('Action received: {"x":"0.11","y":"0.12"}')
    operator.say("big 20000")
    operator.say("big 10")
    assert "pppppppppp" in robot.expect(RECEIVED).group(1)
    # What would steer a terminal is shown, and stays one line.
    operator.say("send \x1b[2J\x07")
    assert "\x1b" not in robot.expect(re.compile("Received non-JSON message: .*")).string
    pictures(operator)
    assert operator.find(PICTURES)[0].endswith("320x240")
    operator.say("close")
    robot.expect("Data channel closed")
    robot.expect("Waiting for operator...")


def test_the_only_offer_of_a_plain_operator_is_kept(stage):
    """Clause 5.3: it comes while the robot still believes in the old pair, and is answered when that is given up."""
    robot = stage.robot()
    robot.expect("Waiting for operator...")
    first = stage.plain("operator")
    robot.connected()
    pictures(first, 5)
    first.kill()
    killed = time.monotonic()
    second = stage.plain("operator")
    second.expect("offer sent")
    robot.connected()
    assert robot.last - killed < 12, f"{robot.last - killed:.1f} s"
    second.expect("state connected")
    second.expect("channel open")
    pictures(second, 5)
    second.say('send {"x":1,"y":1}')
    robot.expect('Action received: {"x":1,"y":1}')


def test_a_third_client_hurts_no_plain_operator(stage):
    """Clause 5.6: a plain operator's messages have no names, so anybody can say the same."""
    third = stage.third()
    robot = stage.robot()
    robot.expect("Waiting for operator...")
    operator = stage.plain("operator")
    robot.connected()
    pictures(operator, 5)
    offer, answer = third.hears("offer"), third.hears("answer")
    fragment = re.search(r"a=ice-ufrag:(\S+)", offer["offer"]["sdp"]).group(1)
    for _ in range(2):
        third.say({"type": "bye"})
        third.say({"type": "bye", "from": "someone", "session": None})
        third.say(offer)
        for session in (None, "", new_name()):
            third.say({"type": "offer", "offer": {"type": "offer", "sdp": offer["offer"]["sdp"].replace(fragment, "else")}, "session": session})
        third.say({"type": "offer", "offer": {"type": "offer", "sdp": "v=0"}})
        for line in ("candidate:1 1 udp 1 192.0.2.1 9 typ host", "nonsense", ""):
            third.say({"type": "candidate", "candidate": {"candidate": line, "sdpMid": "0", "usernameFragment": fragment}})
            third.say({"type": "candidate", "candidate": {"candidate": line}})
        third.say({"type": "candidate", "candidate": None})
        third.say({"type": "ready", "role": "operator", "from": "someone"})
    pictures(operator)
    operator.say('send {"x":1,"y":1}')
    robot.expect('Action received: {"x":1,"y":1}')
    # The same answer to the same offer, and nobody else was let in.
    assert all(each == answer for each in third.messages("answer")), third.log
    assert robot.count("Connection state: connected") == 1 and not robot.find(ENDED), robot.log


def test_a_third_client_hurts_no_operator_with_a_plain_robot(stage):
    third = stage.third()
    robot = stage.plain("robot")
    robot.expect("connected")
    operator = stage.operator("--command-interval", "0.5")
    operator.connected()
    operator.more_frames()
    answer = third.hears("answer")
    for _ in range(3):
        third.say(answer)
        third.say({**answer, "answer": {"type": "answer", "sdp": answer["answer"]["sdp"].replace("a=sendonly", "a=inactive")}})
        third.say({"type": "bye"})
        third.say({"type": "busy"})
        third.say({"type": "ready", "role": "robot", "from": "someone"})
        third.say({"type": "candidate", "candidate": {"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMLineIndex": "0"}})
    operator.more_frames()
    robot.expect(re.compile("message .*"))
    assert operator.count("Connection state: connected") == operator.count("Answer received") == 1 and not operator.find(ENDED), operator.log
    assert operator.count("Robot is busy") == 0
