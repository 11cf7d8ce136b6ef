"""Our robot and our operator on one signalling server: what they say, how they find each other, how they end (specs: teleop-client)."""

import json
import re
import signal
import time

import pytest

from client_support import FRAMES, Hub, RECEIVED, SENT, new_name, stage  # noqa: F401
from conftest import wait_until

COMMAND = re.compile(r'\{"x":"0\.\d\d","y":"0\.\d\d"\}')


def in_order(client, *wanted):
    """Each of these lines, once, in this order, whatever is between them."""
    places = []
    for line in wanted:
        found = [place for place, said in enumerate(client.lines) if said == line]
        assert len(found) == 1, f"expected `{line}` once, got it {len(found)} times:\n{client.log}"
        places += found
    assert places == sorted(places), f"expected this order: {wanted}\n{client.log}"


def test_what_both_say(stage):
    """Clauses 7, 8 and 12, with the standard picture; and the end by Ctrl+C and by SIGTERM (11)."""
    stage.hub = Hub()
    robot = stage.robot("--size", "640x480", "--rate", "30")
    robot.expect("Waiting for operator...")
    operator = stage.operator()
    assert [int(operator.expect(FRAMES).group(1)) for _ in range(2)] == [30, 60]
    robot.more_actions(3)
    assert operator.find(FRAMES)[0] == "Received 30 frames (640x480)"
    operator.stop(signal.SIGINT)
    robot.expect("Data channel closed")
    robot.expect("Connection state: closed")
    robot.expect("Waiting for operator...")
    robot.stop(signal.SIGTERM)
    meeting = [f"Connecting to signaling server: {stage.hub.url}", "Connected to signaling server"]
    connection = ["Connection state: connecting", "Connection state: connected", "Data channel open"]
    ending = ["Shutting down…", "Data channel closed", "Connection state: closed", "Bye."]
    in_order(operator, *meeting, "Offer sent", "Answer received", *connection, *ending)
    assert operator.lines.index(operator.find(SENT)[0]) > operator.lines.index("Data channel open")
    first = robot.lines.index("Connection state: connected")
    in_order(robot, "Camera opened: 640x480 @ 30", *meeting, "Offer received", *connection, "Shutting down…", "Bye.")
    in_order(robot, "Offer received", "Answer sent", "Connection state: connected")
    assert robot.lines.index("Waiting for operator...") < robot.lines.index("Offer received") < first
    sent, received = ([pattern.fullmatch(line).group(1) for line in client.find(pattern)]
                      for client, pattern in ((operator, SENT), (robot, RECEIVED)))
    assert received == sent[:len(received)] and len(received) >= len(sent) - 1 and len(set(received)) > 1
    assert all(COMMAND.fullmatch(text) for text in received), received
    known = re.compile("|".join([
        "Connect(ing|ed) to signaling server.*", "Connection state: (new|connecting|connected|disconnected|failed|closed)",
        "Data channel (open|closed)", "Waiting for operator[.]{3}", "(Offer|Answer) (sent|received)", "Action (sent|received): .*", FRAMES.pattern,
        "Camera opened: .*", "Shutting down…", r"Bye\."]))
    for client in (robot, operator):
        assert not [line for line in client.lines if not known.fullmatch(line)], client.log
        assert client.errors == [], client.log
    wait_until(lambda: stage.hub.count("closed 1000") == 2, f"both have closed with 1000; {stage.hub.log}")


def test_commands_keep_their_interval(stage):
    """Clause 13: 1.0 s ± 0.05 as the operator's own clock sees it; a busy machine may delay one, and the next is on the beat again."""
    robot, operator = stage.robot(), stage.operator("--log", "json", "--command-interval", "0.5")
    robot.more_actions(9)
    sent = lambda: [entry["t"] for entry in map(json.loads, list(operator.lines)) if entry["event"] == "action_sent"]
    times = wait_until(lambda: len(times := sent()) >= 9 and times, "nine that were sent")
    # In the middle: one that came late makes neither of them.
    assert abs(sorted(times[number + 4] - times[number] for number in range(5))[2] / 4 - 0.5) < 0.05, times


def test_a_second_end_is_at_once(stage):
    """Clause 11. Nobody answers the close of the WebSocket, so the first one takes its time."""
    operator = stage.operator()
    operator.expect("Offer sent")
    stage.hub.process.send_signal(signal.SIGSTOP)
    operator.process.send_signal(signal.SIGINT)
    operator.expect("Shutting down…")
    operator.process.send_signal(signal.SIGINT)
    operator.may_end = True
    status = operator.process.wait(10)
    stage.hub.process.send_signal(signal.SIGCONT)
    # Without waiting for the server it may be over before the second one comes.
    assert status in (130, 0), operator.log
    if status == 0:
        operator.expect("Bye.")


@pytest.mark.parametrize("role", ["robot", "operator"])
def test_a_server_that_does_not_answer_delays_no_end(stage, role):
    client = getattr(stage, role)()
    client.expect("Connected to signaling server")
    stage.hub.process.send_signal(signal.SIGSTOP)
    begin = time.monotonic()
    try:
        client.stop()
    finally:
        stage.hub.process.send_signal(signal.SIGCONT)
    assert time.monotonic() - begin < 4


def test_late_joiners_find_each_other(stage):
    """Clause 7.3: the same offer every 3 s, and at once when a robot says `ready`."""
    third = stage.third()
    operator = stage.operator("--id", "ada")
    third.hears("ready", role="operator")
    offers = [third.hears("offer", number) for number in (1, 2)]
    assert offers[0] == offers[1]
    assert re.fullmatch("[0-9a-f]{16}", offers[0]["session"]) and offers[0]["from"] == "ada"
    assert offers[0]["offer"]["type"] == "offer" and "a=candidate" in offers[0]["offer"]["sdp"]
    times = [moment for moment, text in third.heard if json.loads(text)["type"] == "offer"]
    assert all(2.5 < later - earlier < 5 for earlier, later in zip(times, times[1:])), times
    third.say({"type": "ready", "role": "robot", "from": "nobody"})
    third.hears("offer", 3)
    assert [moment for moment, text in third.heard if json.loads(text)["type"] == "offer"][2] - times[1] < 2.5
    robot = stage.robot()
    robot.connected()
    operator.more_frames()
    assert operator.count("Offer sent") == 1, operator.log
    answer = third.hears("answer")
    assert answer["session"] == offers[0]["session"] and answer["to"] == "ada"
    # The robot is there already: it says so.
    assert third.hears("ready", role="robot", **{"from": answer["from"]})


def varied(offer, number):
    """An offer of somebody else."""
    sdp = re.sub(r"a=ice-ufrag:\S+", f"a=ice-ufrag:other{number}", offer["offer"]["sdp"])
    return {"type": "offer", "offer": {"type": "offer", "sdp": sdp}, "from": f"other{number}", "session": new_name()}


@pytest.fixture
def offer(stage):
    """An offer as our operators make it."""
    third, operator = stage.third(), stage.operator("--id", "template")
    found = third.hears("offer")
    operator.stop()
    third.close()
    return found


def test_offers_to_a_robot(stage, offer):
    """Clauses 4 and 5.3."""
    third = stage.third()
    robot = stage.robot("--id", "rover")
    robot.expect("Waiting for operator...")
    assert third.hears("ready") == {"type": "ready", "role": "robot", "from": "rover"}
    third.say({"type": "ready", "role": "operator", "from": "other1"})
    first = varied(offer, 1)
    third.say({**first, "to": "someone else"})
    third.say({**first, "offer": {"type": "offer"}})
    third.say(first)
    answer = third.hears("answer")
    assert (answer["from"], answer["to"], answer["session"]) == ("rover", "other1", first["session"])
    robot.expect("Offer received")
    assert robot.count("Offer received") == 1
    sections = answer["answer"]["sdp"].split("m=")[1:]
    assert [section.split()[0] for section in sections] == ["video", "application"]
    assert "a=sendonly" in sections[0] and "a=candidate" in answer["answer"]["sdp"] and answer["answer"]["type"] == "answer"
    third.say(first)
    assert third.hears("answer", 2) == answer
    plain = {"type": "offer", "offer": first["offer"]}
    third.say(plain)
    assert third.hears("answer", 3)["answer"] == answer["answer"], "the same ufrag and fingerprint: a repeat"
    second = varied(offer, 2)
    third.say(second)
    busy = third.hears("busy")
    assert (busy["from"], busy["to"], busy["session"]) == ("rover", "other2", second["session"])
    # The same operator again, with a new session: the old negotiation is over.
    renewed = varied(offer, 1) | {"session": new_name()}
    renewed["offer"]["sdp"] = renewed["offer"]["sdp"].replace("other1", "other1b")
    third.say(renewed)
    assert third.hears("answer", 4)["session"] == renewed["session"]
    # An end that somebody else says for it is none; its own frees the robot for who waits.
    since = len(third.heard)
    third.say({"type": "bye", "from": "other1", "session": first["session"]})
    third.say({"type": "bye", "from": "other2", "session": renewed["session"]})
    third.say(renewed)
    assert third.hears("answer", since=since)["session"] == renewed["session"]
    third.say({"type": "bye", "from": "other1", "session": renewed["session"]})
    assert third.hears("answer", since=since, session=second["session"])["to"] == "other2"
    third.say({"type": "bye", "from": "other2", "session": second["session"]})
    assert third.hears("ready", since=since, role="robot")
    # Every way in which an offer may be written.
    third.say({"type": "offer", "sdp": first["offer"]["sdp"], "from": "flat", "session": "flat", "more": {"fields": [1]}})
    third.hears("answer", session="flat")
    third.say({"type": "bye", "from": "flat", "session": "flat"})
    # An offer that takes no video is of no use; the robot waits on.
    useless = varied(offer, 3)
    useless["offer"]["sdp"] = useless["offer"]["sdp"].replace("a=recvonly", "a=sendonly")
    third.say(useless)
    robot.expect(re.compile("Warning: .*"))
    third.say(varied(offer, 4))
    third.hears("answer", to="other4")


def test_answers_to_an_operator(stage):
    """Clauses 5.4, 5.5 and 10: the first answer of the right session wins; a robot that is busy is said once; new offers after a failure."""
    third = stage.third()
    operator = stage.operator("--id", "ada", "--peer", "rover")
    session = third.hears("offer")["session"]
    for _ in range(3):
        third.say({"type": "busy", "from": "rover", "to": "ada", "session": session})
    third.say({"type": "busy", "from": "rover", "to": "bob", "session": session})
    operator.expect("Robot is busy")
    for stranger in ("another robot", "ada"):
        third.say({"type": "answer", "answer": {"type": "answer", "sdp": "v=0"}, "from": stranger, "to": "ada", "session": session})
    third.say({"type": "answer", "answer": {"type": "answer", "sdp": "v=0"}, "from": "rover", "to": "ada", "session": new_name()})
    third.say({"type": "answer", "answer": {"type": "answer", "sdp": "v=0"}, "from": "rover", "to": "bob", "session": session})
    third.say({"type": "offer", "offer": {"type": "offer", "sdp": "v=0"}, "from": "rover", "to": "ada"})
    third.hears("offer", 2)
    assert operator.count("Robot is busy") == 1 and operator.count("Answer received") == 0, operator.log
    # One that cannot be used changes nothing either.
    third.say({"type": "answer", "answer": {"type": "answer", "sdp": "v=0 nonsense"}, "from": "rover", "to": "ada", "session": session})
    third.hears("offer", 3, session=session)
    wrong = stage.robot("--id", "wrong")
    wrong.expect("Waiting for operator...")
    right = stage.robot("--id", "rover")
    right.connected()
    operator.more_frames()
    assert wrong.count("Answer sent") == 0, wrong.log


def test_the_first_of_two_robots_wins(stage):
    """Clause 5.4: the others get `bye`, and are free."""
    third, robots = stage.third(), [stage.robot("--id", name) for name in ("one", "two")]
    for robot in robots:
        robot.expect("Waiting for operator...")
    operator = stage.operator()
    operator.more_frames()
    winner = next(robot for robot in robots if robot.count("Connection state: connected"))
    [loser] = [robot for robot in robots if robot is not winner]
    name = loser.options[loser.options.index("--id") + 1]
    # On a machine with too much to do the first offer may have come to nothing, and another one decided.
    wait_until(lambda: third.messages("bye", to=name), f"the other one is told; {third.log}")
    offered = {message["session"] for message in third.messages("offer")}
    assert all(message["session"] in offered for message in third.messages("bye", to=name)), third.log
    third.hears("ready", 2, role="robot", **{"from": name})
    other = stage.operator()
    loser.connected()
    other.more_frames()
    operator.more_frames()


def test_the_next_operator_takes_over(stage):
    """Clauses 5.3 and 7.5; then an operator that is killed, and one that is stopped (10)."""
    robot = stage.robot()
    first = stage.operator()
    robot.connected()
    second = stage.operator()
    second.expect("Robot is busy")
    first.more_frames()
    first.stop()
    robot.connected()
    second.more_frames()
    robot.more_actions()
    assert second.count("Robot is busy") == 1 and second.count("Offer sent") == 1, second.log
    second.kill()
    ended = time.monotonic()
    robot.expect(re.compile("Connection state: (closed|failed)"))
    # 3 s, beside what a busy machine adds.
    assert robot.last - ended < 8, f"{robot.last - ended:.1f} s"
    third = stage.operator()
    robot.connected()
    third.more_frames()
    third.process.send_signal(signal.SIGSTOP)
    fourth = stage.operator()
    robot.connected()
    fourth.more_frames()
    third.process.send_signal(signal.SIGCONT)
    third.expect("Robot is busy")
    fourth.more_frames()
    fourth.stop()
    third.more_frames()


def test_a_robot_that_is_gone_is_looked_for(stage):
    """Clause 10: an operator notices within 5 s, and finds the next robot by itself."""
    first = stage.robot()
    operator = stage.operator()
    operator.more_frames()
    operator.forward()
    first.process.send_signal(signal.SIGSTOP)
    stopped = time.monotonic()
    second = stage.robot()
    operator.expect(re.compile("Connection state: (closed|failed)"))
    assert operator.last - stopped < 12, f"{operator.last - stopped:.1f} s"
    second.connected()
    operator.more_frames()
    first.process.send_signal(signal.SIGCONT)
    first.expect(re.compile("Connection state: (closed|failed)"))
    operator.more_frames()
    assert operator.count("Offer sent") == 2, operator.log
    other = stage.operator()
    first.connected()
    other.more_frames()


def test_the_signalling_server_goes_and_comes_back(stage):
    """Clause 10: the media session goes on, and a new operator is served afterwards."""
    robot, operator = stage.robot(), stage.operator()
    operator.more_frames()
    old = stage.hub
    old.kill()
    for client in (robot, operator):
        client.expect("Signaling connection lost, retrying in 1 s")
        client.expect("Signaling connection lost, retrying in 2 s")
    operator.more_frames(30)
    robot.more_actions()
    stage.hub = old.again()
    for client in (robot, operator):
        client.expect("Connected to signaling server")
    operator.more_frames()
    assert robot.count("Connection state: connected") == 1 and operator.count("Offer sent") == 1
    operator.stop()
    robot.expect("Connection state: closed")
    other = stage.operator()
    robot.connected()
    other.more_frames()


def test_a_server_that_comes_last(stage):
    """Clause 10: both look for it before it is there."""
    hub = stage.hub
    hub.kill()
    robot, operator = stage.robot(), stage.operator()
    for client in (robot, operator):
        client.expect("Signaling connection lost, retrying in 1 s")
    stage.hub = hub.again()
    robot.connected()
    operator.more_frames()


def test_numbers_instead_of_texts(stage):
    """Clause 8."""
    robot, operator = stage.robot(), stage.operator("--command-format", "number", "--command-interval", "0.2")
    robot.more_actions(3)
    for line in robot.find(RECEIVED):
        command = json.loads(RECEIVED.fullmatch(line).group(1))
        assert list(command) == ["x", "y"] and all(type(value) in (int, float) and 0 <= value < 1 for value in command.values()), line
    assert operator.find(SENT)


def test_lines_of_standard_input(stage):
    """Clause 8: objects are sent as they are given, and nothing else is; the end of the input ends nothing."""
    robot, operator = stage.robot(), stage.operator("--commands", "stdin")
    operator.expect("Data channel open")
    first, last = '{"x":0.1,  "y":"5e-1", "z":"é"}', '{"x":1}'
    for line in (first, "not json", "[1]", '{"x":', "  ", "", json.dumps({"x": 0, "y": 0, "more": "m" * 20_000}), last):
        operator.say(line)
    robot.expect(f"Action received: {first}")
    robot.expect(f"Action received: {last}")
    wait_until(lambda: operator.find(SENT) == [f"Action sent: {first}", f"Action sent: {last}"], operator.log)
    assert operator.count(re.compile("Warning: expected a JSON object.*")) == 4, operator.log
    assert robot.count(re.compile("Received non-JSON message: .*")) == 0
    operator.process.stdin.close()
    operator.more_frames()


def test_lines_wait_for_the_network_and_none_is_left_out(stage):
    robot, operator = stage.robot(), stage.operator("--commands", "stdin")
    operator.expect("Data channel open")
    # More than the channel takes at once, and faster.
    lines = [json.dumps({"x": number, "y": 0, "more": "m" * 3000}) for number in range(1200)]
    for line in lines:
        operator.say(line)
    wait_until(lambda: robot.count(RECEIVED) == len(lines), f"all lines; {robot.log[-300:]}")
    assert robot.find(RECEIVED) == ["Action received: " + line for line in lines]
    assert not operator.count(re.compile("Warning: .*")), operator.log
