"""Somebody else on the signalling server, who says whatever hurts, while our robot and our operator are paired (specs: teleop-client 5.6)."""

import json
import os
import random
import re

import pytest

from client_support import new_name, shared, stage  # noqa: F401

ENDED = re.compile("Connection state: (closed|failed|disconnected)")


@pytest.fixture(scope="module")
def trio(shared):
    """A third client who has heard all, and the two that it is after. They stay together through all that is done to them."""
    third = shared.third()
    robot = shared.robot("--id", "rover")
    robot.expect("Waiting for operator...")
    operator = shared.operator("--id", "ada", "--command-interval", "0.25")
    robot.connected()
    operator.connected()
    return third, robot, operator


@pytest.fixture
def pair(trio, request):
    request.node.clients = trio
    third, robot, operator = trio
    yield trio
    operator.more_frames()
    robot.more_actions(3)
    for client in (robot, operator):
        # A robot that was offered more tells of these connections, too.
        assert client.count("Connection state: connected") == 1, client.log
        assert client.count("Data channel open") == 1 and not client.count("Data channel closed"), client.log
    assert not operator.find(ENDED) and operator.count("Offer sent") == operator.count("Answer received") == 1, operator.log
    assert not operator.count("Robot is busy"), operator.log


def test_what_was_said_is_said_again(pair):
    third, robot, operator = pair
    for _ in range(20):
        for _, text in third.heard[:30]:
            third.say(text)


def test_messages_are_forged(pair):
    third, robot, operator = pair
    offer, answer = third.hears("offer"), third.hears("answer")
    session = offer["session"]
    candidate = {"candidate": "candidate:9 1 udp 2130706431 192.0.2.9 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0}
    for _ in range(5):
        for source, target in (("ada", "rover"), ("rover", "ada"), ("mallory", None), (None, None)):
            for named in (session, new_name(), None):
                names = {name: value for name, value in (("from", source), ("to", target), ("session", named)) if value}
                for kind in ("bye", "busy", "ready"):
                    third.say({"type": kind, "role": "robot" if source == "rover" else "operator", **names})
                third.say({"type": "answer", "answer": {"type": "answer", "sdp": answer["answer"]["sdp"].replace("UDP/TLS", "TCP/TLS")}, **names})
                third.say({"type": "candidate", "candidate": candidate, **names})
                third.say({"type": "candidate", "candidate": {**candidate, "candidate": "candidate:nonsense\x00\x1b[2J"}, **names})
                third.say({"type": "candidate", "candidate": None, **names})
    robot.more_actions(4)


def test_offers_are_forged(pair):
    """Under the operator's own name, with new sessions: each would like to be the operator's next try."""
    third, robot, operator = pair
    offer = third.hears("offer")["offer"]["sdp"]
    fragment = re.search(r"a=ice-ufrag:(\S+)", offer).group(1)
    for number in range(8):
        for sdp in ("v=0", "nonsense", "", offer.replace(fragment, f"fake{number}"), offer.replace("m=video 9", "m=video 0"),
                    offer.replace("a=setup:actpass", "a=setup:passive"), offer[:len(offer) // 2], offer * 3):
            for source in ("ada", "mallory", None):
                message = {"type": "offer", "offer": {"type": "offer", "sdp": sdp}, "session": new_name()}
                third.say({**message, "from": source} if source else message)
    operator.more_frames()
    # Whoever forged them is nobody's operator: they time out, and meanwhile the pair goes on.
    robot.more_actions(4)


def test_nonsense(pair):
    third, robot, operator = pair
    seed = random.randrange(1 << 32)
    print("seed", seed)
    dice = random.Random(seed)
    recorded = [text for _, text in third.heard[:100]]
    for _ in range(150):
        text = list(dice.choice(recorded))
        for _ in range(dice.randrange(1, 8)):
            text[dice.randrange(len(text))] = chr(dice.choice([0, 34, 44, 58, 92, 123, 125, 0x2028, 0xffff, dice.randrange(32, 127)]))
        third.say("".join(text))
    limit = 256 << 10
    for text in ("", "{", "[" * 10_000, '{"type":' * 1000, "null", "17", '"offer"', '{"type":"offer"}', '{"type":["offer"]}', '{"type":"offer","offer":7}',
                 '{"type":"answer","answer":{"sdp":{}}}', '{"type":"candidate","candidate":{"candidate":5}}', '{"type":"candidate"}',
                 '{"type":"candidate","candidate":{"candidate":"candidate:1","sdpMLineIndex":1e300,"sdpMid":-1e18}}',
                 '{"type":"candidate","candidate":{"candidate":"candidate:1","sdpMLineIndex":"9223372036854775808","sdpMid":1e9}}',
                 '{"type":"offer","interval":-1e999,"offer":{"sdp":"v=0"}}', '{"type":"ready","role":17}', '{"type":"ready","role":"operator"}',
                 json.dumps({"type": "offer", "offer": {"type": "offer", "sdp": "a" * (limit - 100)}}),
                 json.dumps({"type": "candidate", "candidate": {"candidate": "candidate:" + " 1" * (limit // 2 - 60)}}), "x" * limit):
        third.say(text)
    for length in (1, 100, 10_000, limit):
        third.say(os.urandom(length))
    # Candidates that belong nowhere are kept, and not more than a few.
    for number in range(300):
        third.say({"type": "candidate", "candidate": {"candidate": f"candidate:{number} 1 udp 1 192.0.2.1 9 typ host"}, "session": new_name()})
    robot.more_actions(4)


def test_it_hurts_nobody_who_still_looks(stage):
    """The same before there is a pair: then both still find each other."""
    third = stage.third()
    robot, operator = stage.robot("--id", "rover"), stage.operator("--id", "ada", "--peer", "nobody")
    third.hears("offer")
    for _ in range(3):
        for text in ("", "{", "x" * 100_000, '{"type":"offer","offer":{"type":"offer","sdp":"v=0"}}', '{"type":"answer","answer":{"sdp":"v=0"}}',
                     '{"type":"bye"}', '{"type":"busy"}', '{"type":"ready","role":"robot"}', '{"type":"candidate","candidate":{}}'):
            third.say(text)
        third.say(os.urandom(1000))
    operator.stop()
    other = stage.operator()
    robot.connected()
    other.more_frames()
