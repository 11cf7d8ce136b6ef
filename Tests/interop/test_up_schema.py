"""docs/teleop-protocol.schema.json against the golden files of both directions, and against every message of a live session."""

import copy
import json
import time

import jsonschema
import pytest

from conftest import ROOT, run_async
from station import SMALL, Operator, station  # noqa: F401

SCHEMA = json.loads((ROOT / "docs" / "teleop-protocol.schema.json").read_text())
GOLDEN = ROOT / "Tests" / "ContractsTests" / "Resources"


def closed(schema):
    """The same, but members that the schema does not name are faults."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    if made.get("type") == "object" and "properties" in made:
        made.setdefault("additionalProperties", False)
    return made


CLOSED = closed(SCHEMA)


def fault_of(message, definition, schema=SCHEMA):
    """What is wrong with a message, or None."""
    wanted = {**copy.copy(schema), "$ref": f"#/$defs/{definition}"}
    del wanted["anyOf"]
    fault = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(wanted).iter_errors(message))
    return fault and f"{fault.json_path}: {fault.message[:300]}"


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted((GOLDEN / "client").glob("*.json")), ids=lambda path: path.stem)
def test_what_clients_say_is_valid(path):
    channel = path.stem.split("-")[0]
    assert fault_of(json.loads(path.read_text()), f"{channel}FromClient", CLOSED) is None


@pytest.mark.parametrize("path", sorted((GOLDEN / "robot").glob("*.json")), ids=lambda path: path.stem)
def test_what_robots_say_is_valid(path):
    assert fault_of(json.loads(path.read_text()), "fromRobot", CLOSED) is None


def test_there_are_golden_files():
    assert len(list((GOLDEN / "client").glob("*.json"))) >= 10 and len(list((GOLDEN / "robot").glob("*.json"))) >= 8


def changed(path, /, **changes):
    """A golden message, with members replaced; `...` takes one away."""
    message = json.loads((GOLDEN / f"{path}.json").read_text())
    return {key: value for key, value in {**message, **changes}.items() if value is not ...}


@pytest.mark.parametrize("definition, message", [
    ("controlFromClient", changed("client/control-drive", vx="0.4")),
    ("controlFromClient", changed("client/control-drive", vx=...)),
    ("controlFromClient", changed("client/control-drive", epoch=-1)),
    ("controlFromClient", changed("client/control-drive", seq=2**32)),
    ("controlFromClient", changed("client/control-drive", hold=1)),
    ("controlFromClient", changed("client/control-drive", hold=...)),
    ("controlFromClient", changed("client/control-wheels", left=None)),
    ("controlFromClient", changed("client/control-motor", seq=3)),
    ("controlFromClient", changed("client/control-ping", t=...)),
    ("controlFromClient", changed("client/state-hello")),
    ("controlFromClient", {"type": "fly"}),
    ("controlFromClient", []),
    ("stateFromClient", changed("client/state-hello", view="both")),
    ("stateFromClient", changed("client/state-hello", name="x" * 65)),
    ("stateFromClient", changed("client/state-lease-acquire", nonce=...)),
    ("stateFromClient", changed("client/state-lease-acquire", nonce=0.5)),
    ("stateFromClient", changed("client/state-lease-transfer", to=...)),
    ("stateFromClient", changed("client/state-lease-transfer", to="7")),
    ("stateFromClient", changed("client/state-mode", name="ludicrous")),
    ("stateFromClient", changed("client/state-clear", epoch=...)),
    ("fromRobot", changed("robot/ack", ok=False)),
    ("fromRobot", changed("robot/ack-refused", ok=True)),
    ("fromRobot", changed("robot/stop", reason="bored")),
    ("fromRobot", changed("robot/telemetry", safety=...)),
    ("fromRobot", changed("robot/telemetry", lease={"state": "lost"})),
    ("fromRobot", changed("robot/welcome", protocol=2)),
    ("fromRobot", changed("robot/welcome", rights=["fly"])),
])
def test_what_is_not_right_is_not_valid(definition, message):
    assert fault_of(message, definition) is not None


class Listener(Operator):
    """Keeps every message of both directions."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.heard, self.said = [], []

    def _take(self, text):
        self.heard.append(json.loads(text))
        super()._take(text)

    def say(self, message, channel=None):
        self.said.append(((channel or self.state).label, message))
        super().say(message, channel)


def test_a_live_session_is_valid(station):
    here = station(*SMALL)

    async def play():
        async with Listener(here, "Ada") as ada, Listener(here, "Bob", view="video") as bob:
            ada.say({"type": "ping", "t": 1.5}, ada.control)
            ada.say({"type": "ping", "t": 2.5})
            await ada.until(lambda: sum(event["type"] == "pong" for event in ada.events) == 2, "two pongs")
            await ada.acquire()
            await ada.rest()
            await ada.keep(vx=0.1, until=lambda: ada.is_moving, what="it moves")
            ada.say({"type": "wheels", "epoch": ada.lease["epoch"], "seq": ada.sequence + 1, "t": time.monotonic() * 1000, "hold": True,
                     "left": 0.1, "right": 0.1}, ada.control)
            ada.sequence += 1
            assert (await bob.ask({"type": "lease", "action": "acquire"}))["ok"]
            await ada.until(lambda: ada.lease["request"], "Ada is asked")
            assert (await ada.ask({"type": "lease", "action": "transfer", "to": bob.welcome["session"]}))["ok"]
            await bob.until(lambda: bob.lease["yours"], "Bob has it")
            assert not (await ada.ask({"type": "action", "epoch": 0, "name": "treat"}))["ok"]
            assert (await bob.ask({"type": "mode", "epoch": bob.lease["epoch"], "name": "slow"}))["ok"]
            assert (await bob.ask({"type": "action", "epoch": bob.lease["epoch"], "name": "light", "argument": "#ff0000"}))["ok"]
            ada.say({"type": "motor", "left": 0.1, "right": 0.1}, ada.control)
            ada.say({"type": "estop"}, ada.control)
            await bob.until(lambda: bob.safety["latched"], "latched")
            await bob.keep(0.3)
            assert (await bob.ask({"type": "clear", "epoch": bob.lease["epoch"]}))["ok"]
            await bob.until(lambda: any(event.get("latched") is False for event in bob.events), "the clearing is told")
            await bob.keep(0.2)
            assert (await bob.ask({"type": "lease", "action": "release"}))["ok"]
            await ada.until(lambda: ada.lease["state"] == "free", "free")
            bob.say({"type": "motor", "left": 0.1, "right": 0.1}, bob.control)
            await ada.until(lambda: ada.telemetry["counts"]["refused"] > 0, "a refusal is counted")
            for each in (ada, bob):
                for channel, message in each.said:
                    assert (fault := fault_of(message, f"{channel}FromClient", CLOSED)) is None, (fault, message)
            ada.say('{"type":"fly"}')
            await ada.until(lambda: ada.errors, "an error is told")
            return ada.heard + bob.heard

    heard = run_async(play())
    faults = {(fault, message["type"]) for message in heard if (fault := fault_of(message, "fromRobot", CLOSED))}
    assert not faults, faults
    kinds = {message["type"] for message in heard}
    assert kinds >= {"welcome", "telemetry", "lease", "estop", "ack", "pong", "error"}, kinds
