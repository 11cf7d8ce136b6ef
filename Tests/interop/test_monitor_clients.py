"""WebSocket clients of `waldo-monitor`: what is said with each, its topics, its limits, and that hostile ones cost the others nothing."""

import json
import os
import socket
import subprocess
import threading
import time

import pytest

from conftest import wait_until
from monitor import Client, Publisher, frame, monitor, room  # noqa: F401
from test_monitor_service import STATE_KEYS


def test_what_is_said(monitor):
    here = monitor()
    client = here.client()
    first = client.messages[0][1]
    assert first["type"] == "initial_state" and first["data"].keys() == STATE_KEYS and first["timestamp"]
    assert client.ask({"type": "ping"}, "pong").keys() == {"type", "timestamp"}
    reply = client.ask({"type": "get_state"}, lambda message: message["type"] == "state_update" and "seq" not in message)
    assert reply["data"]["state"].keys() == STATE_KEYS and reply["data"]["changes"] == []
    assert STATE_KEYS <= reply["data"].keys() and reply["data"]["operators"] == reply["data"]["state"]["operators"]
    update = client.wait(lambda message: message["type"] == "state_update" and "seq" in message)[1]
    assert update["data"].keys() == {"state", "changes"}, "what all get is nested only"
    for bad, said in [("{", "Invalid JSON"), ("", "Invalid JSON"), ("nonsense", "Invalid JSON"), ("[" * 5000, "Invalid JSON"),
                      ("[]", "Invalid message"), ('"ping"', "Invalid message"), ("{}", "Invalid message"), ('{"type":7}', "Invalid message"),
                      ("null", "Invalid message"), ('{"type":"subscribe"}', "topics must be a list of strings"),
                      ('{"type":"subscribe","topics":"all"}', "topics must be a list of strings"),
                      ('{"type":"unsubscribe","topics":[1]}', "topics must be a list of strings")]:
        assert client.ask(bad, "error")["message"] == said, bad
    client.say({"type": "dance"})
    assert client.ask({"type": "ping"}, "pong") and client.messages[-1][1]["type"] in ("pong", "state_update")
    assert len(client.events("error")) == 12
    client.assert_no_gaps()


def test_topics(monitor, room):
    here = monitor()
    everything, none, some, all_but = (here.client() for _ in range(4))
    assert none.ask({"type": "subscribe", "topics": []}, "subscribed")["topics"] == []
    # The later one replaces the first.
    some.ask({"type": "subscribe", "topics": ["state_update", "no_such_event"]}, "subscribed")
    assert some.ask({"type": "subscribe", "topics": ["teleoperation_started", "operators_changed"]}, "subscribed")["topics"] == [
        "teleoperation_started", "operators_changed"]
    some.ask({"type": "unsubscribe", "topics": ["operators_changed"]}, "unsubscribed")
    all_but.ask({"type": "unsubscribe", "topics": ["state_update"]}, "unsubscribed")
    marks = {client: len(client.messages) for client in (none, some, all_but)}
    with Publisher(room, 5555):
        everything.wait("teleoperation_started")
    everything.wait("teleoperation_stopped")
    wait_until(lambda: all_but.events("teleoperation_stopped"), "the others have it, too")
    kinds = lambda client: {message["type"] for _, message in client.messages[marks[client]:]}
    assert kinds(none) == set() and kinds(some) == {"teleoperation_started"}
    assert "state_update" not in kinds(all_but) and {"teleoperation_started", "operators_changed", "operator_connected"} <= kinds(all_but)
    none.ask({"type": "subscribe", "topics": ["*"]}, "subscribed")
    none.wait(lambda message: message["type"] == "state_update" and "seq" in message)
    everything.assert_no_gaps()


ALERTING = """
import sys, json, time
print(json.dumps({"type": "hello", "name": "noisy"}), flush=True)
while True:
    time.sleep(0.2)
    print(json.dumps({"type": "alert", "severity": "info", "message": "again", "name": "noise"}), flush=True)
"""


def test_alerts_are_no_ordinary_topic(monitor, tmp_path):
    script = tmp_path / "noisy.py"
    script.write_text(ALERTING)
    here = monitor("--plugin", f"noisy=python3 {script}", config={"performance": {"alert_cooldown": 0}})
    default, named, other, off = (here.client() for _ in range(4))
    default.ask({"type": "subscribe", "topics": ["teleoperation_started"]}, "subscribed")
    named.ask({"type": "subscribe", "topics": ["alerts"]}, "subscribed")
    other.ask({"type": "subscribe", "topics": ["latency_warning"]}, "subscribed")
    off.ask({"type": "subscribe", "topics": ["state_update"], "alerts": False}, "subscribed")
    marks = [len(client.messages) for client in (other, off)]
    for client in (default, named):
        alert = client.wait("alert", after=len(client.messages))[1]
        assert alert["data"].keys() == {"timestamp", "metric", "severity", "reason", "message", "summary"}, alert
        assert alert["data"]["metric"] == "noise" and alert["data"]["reason"] == alert["data"]["message"] == "again"
    for client, mark in zip((other, off), marks):
        assert "alert" not in {message["type"] for _, message in client.messages[mark:]}
    wait_until(lambda: len(here.json("/alerts")["alerts"]) >= 2, "without a cooldown they follow each other", 5)


def test_a_hundred_clients_and_one_more(monitor, room):
    here = monitor()
    clients = [here.client() for _ in range(100)]
    refused = Client(here)
    assert refused.status == 503 and refused.body() == {"error": "Too many clients", "max_clients": 100}
    refused.close()
    before, since = here.processor(), time.monotonic()
    with Publisher(room, 5555):
        for client in clients:
            client.wait("teleoperation_started")
        time.sleep(1)
        resident = here.resident()
    for client in clients:
        client.wait("teleoperation_stopped")
    share = (here.processor() - before) / (time.monotonic() - since)
    moments = [client.wait("teleoperation_started")[0] for client in clients]
    assert max(moments) - min(moments) < 2, "nobody waits for the others"
    for client in clients:
        client.assert_no_gaps()
    assert resident <= 9765, f"{resident} kB with 100 clients"
    assert share < 0.5, share
    assert here.json("/status")["connected_clients"] == 100
    clients.pop().close()
    wait_until(lambda: here.json("/status")["connected_clients"] == 99, "one has left")
    assert here.client().status == 101


def test_a_client_that_reads_nothing(monitor, room):
    """It is closed after 10 s; what waits for it has an end, and nobody else notices."""
    # The kernel keeps little for it, so what waits does so in the monitor.
    subprocess.run(room.within("sysctl", "-qw", "net.ipv4.tcp_wmem=4096 4096 4096"), check=True, timeout=10)
    here = monitor(config={"detection": {"update_interval": 0.1}})
    other, deaf = here.client(), here.client(reads=False)
    began = time.monotonic()
    # Replies fill what the kernel keeps for it; the limit of 50 messages a second is kept.
    while here.json("/metrics")["queue_size"] == 0:
        assert deaf.raw(frame(1, b'{"type":"get_state"}')) and time.monotonic() - began < 30
        time.sleep(0.025)
    wait_until(lambda: here.json("/status")["connected_clients"] == 1, "it is closed", 25)
    assert time.monotonic() - began > 9.5
    assert "took nothing for 10 s" in here.log
    with Publisher(room, 5555):
        other.wait("teleoperation_started")
    times = [moment for moment, message in other.messages if message["type"] == "state_update"]
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 4, "nobody waits ten seconds for the deaf one"
    other.assert_no_gaps()
    deaf.close()


def test_messages_have_a_size_and_a_rate(monitor):
    here = monitor()
    client, other = here.client(), here.client()
    assert client.ask(b" " * (65536 - 15) + b'{"type":"ping"}', "pong")
    client.say(b" " * (65536 - 14) + b'{"type":"ping"}')
    assert client.wait_closed() == 1009
    client = here.client()
    client.raw(frame(1, b" " * 40_000, fin=False) + frame(0, b" " * 40_000))
    assert client.wait_closed() == 1009
    client = here.client()
    client.raw(frame(1, b'{"type":"ping"}') * 50)
    wait_until(lambda: len(client.events("pong")) == 50, "fifty are answered")
    client.raw(frame(1, b'{"type":"ping"}') * 60)
    assert client.wait_closed() == 1008
    # Slower, and for longer, nobody minds. Each waits for its answer: several that a busy machine takes at once would be quick.
    for _ in range(60):
        other.ask({"type": "ping"}, "pong")
        time.sleep(0.025)
    other.assert_no_gaps()


HOSTILE = {
    "bad UTF-8": (frame(1, b'{"type":"\xff\xfe"}'), 1007),
    "UTF-8 broken over fragments": (frame(1, b'"\xe2\x82', fin=False) + frame(0, b'x"'), 1007),
    "no mask": (frame(1, b'{"type":"ping"}', mask=b""), 1002),
    "a long ping": (frame(9, b"x" * 126), 1002),
    "a ping in fragments": (frame(9, b"x", fin=False), 1002),
    "reserved bits": (b"\xc1" + frame(1, b"hello")[1:], 1002),
    "an unknown opcode": (frame(3, b"hello"), 1002),
    "a continuation of nothing": (frame(0, b"hello"), 1002),
    "a text within a text": (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
    "a close of one byte": (frame(8, b"\x03"), 1002),
    "a close with a code that may not be sent": (frame(8, b"\x03\xed"), 1002),
    "2^63 bytes": (frame(1, b"", length=1 << 63), None),
    "2^40 bytes": (frame(1, b"", length=1 << 40), 1009),
    "random bytes": (os.urandom(4096), None),
}


def test_hostile_frames(monitor):
    here = monitor(config={"detection": {"update_interval": 0.1}})
    good = here.client()
    for what, (data, code) in HOSTILE.items():
        client = here.client()
        assert client.raw(data), what
        closed = client.wait_closed(5)
        assert code is None or closed == code, (what, closed, client.reason)
    # Pings without end are answered, or the connection ends; the others do not wait.
    flood = here.client()
    flood.raw(frame(9, b"x" * 100) * 2000)
    assert good.ask({"type": "ping"}, "pong", 5)
    time.sleep(0.5)
    good.assert_no_gaps()
    times = [moment for moment, message in good.messages if message["type"] == "state_update"]
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 2
    assert here.json("/health")["status"] == "healthy"


KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
HANDSHAKES = {
    "another version": (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + KEY + b"Sec-WebSocket-Version: 8\r\n\r\n", b"426"),
    "no key": (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", b"400"),
    "a short key": (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n\r\n", b"400"),
    "no HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", b"400"),
    "a head without an end": (b"GET /ws HTTP/1.1\r\n" + b"X: " + b"y" * 100_000, b"431"),
    "a body too large": (b"POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"4"),
}


def test_hostile_handshakes_and_half_open_sockets(monitor):
    here = monitor(config={"detection": {"update_interval": 0.1}})
    good = here.client()
    for what, (data, status) in HANDSHAKES.items():
        connection = here.room.connect(here.port)
        try:
            connection.sendall(data)
            answer = connection.recv(4096)
        except ConnectionResetError:
            answer = None
        except TimeoutError:
            pytest.fail(f"no answer to {what}")
        assert answer is None or answer.startswith(b"HTTP/1.1 " + status), (what, answer)
        connection.close()
    # Many that say nothing, some that say a byte at a time, some that vanish.
    silent = [here.room.connect(here.port) for _ in range(200)]
    slow = silent[:50]
    stop = threading.Event()

    def drip():
        for byte in b"GET /ws HTTP/1.1\r\nHost: robot-robot-robot-robot\r\n":
            for each in slow:
                try:
                    each.send(bytes([byte]))
                except OSError:
                    pass
            if stop.wait(0.05):
                return

    dripping = threading.Thread(target=drip, daemon=True)
    dripping.start()
    for each in silent[100:150]:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        each.close()
    before = here.processor()
    time.sleep(1.5)
    assert here.processor() - before < 0.5
    try:
        again = here.client()
        assert again.ask({"type": "ping"}, "pong", 5)
    except (AssertionError, OSError):
        # Connections of one address may be limited; who is in already goes on.
        pass
    assert good.ask({"type": "ping"}, "pong", 5)
    good.assert_no_gaps()
    assert here.resident() < 14_000, here.resident()
    stop.set()
    dripping.join(5)
    for each in silent:
        each.close()
    wait_until(lambda: here.client().status == 101, "there is room again")


@pytest.mark.parametrize("number", [3])
def test_the_limit_is_configured(monitor, number):
    here = monitor(config={"performance": {"max_clients": number}})
    clients = [here.client() for _ in range(number)]
    refused = Client(here)
    assert refused.status == 503 and refused.body()["max_clients"] == number
    assert clients[0].ask({"type": "ping"}, "pong")
