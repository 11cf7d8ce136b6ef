"""`waldo signal` with Python's websockets and bare sockets as judges: what is repeated to whom, the limits, and what strangers do to it."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time

import pytest
import websockets

from conftest import run_async, wait_until
from signal_server import Raw, Signal
from web_server import curl, status

SDP = {"type": "offer", "offer": {"type": "offer", "sdp": "v=0\r\no=- 4611 2 IN IP4 127.0.0.1\r\ns=-\r\n"}}
CANDIDATE = {"type": "candidate", "candidate": {"candidate": "candidate:1 1 UDP 2122 192.0.2.1 50000 typ host", "sdpMid": "0", "sdpMLineIndex": 0}}


@pytest.fixture
def start(binary, tmp_path):
    """start("--rooms", …): all are ended after the test, and end well."""
    servers = []

    def make(*options, **how):
        servers.append(Signal(binary, tmp_path, options, **how))
        return servers[-1]

    yield make
    for server in servers:
        if server.process.poll() is None:
            code, seconds = server.stop()
            assert code == 0, server.log


@contextlib.asynccontextmanager
async def joined(server, count, path="/", **options):
    options = {"max_size": None, "max_queue": None, "compression": None, "close_timeout": 2, "ping_interval": None, **options}
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(websockets.connect(server.url + path, **options)) for _ in range(count)]


async def soon(awaitable, seconds=20):
    return await asyncio.wait_for(awaitable, seconds)


async def nothing_comes(client, others):
    """Asks by a message of another: what comes next is that, so nothing was before it."""
    await others.send("marker")
    assert await soon(client.recv()) == "marker"


# What is repeated


def test_plain_peers_get_every_message_byte_for_byte(start):
    """Also what a JSON parser would write in another way, or not take."""
    server = start()
    texts = [json.dumps(SDP), json.dumps(CANDIDATE, indent=3), '{ "a" :1.0e0,"a":2,\t"ü":"\\u00fc"}', "not JSON at all", "", " ", "\x00\x01", "é\u2028😀\ufeff",
             "[" * 5000, "x" * 200_000, "\U0010ffff" * 50_000, '{"type":"offer"' + " " * 1000]

    async def body():
        async with joined(server, 3) as (a, b, c):
            for text in texts:
                await a.send(text)
                for other in (b, c):
                    assert await soon(other.recv()) == text
            await nothing_comes(a, b)
            assert await soon(c.recv()) == "marker"

    run_async(body())


def test_a_text_frame_comes_out_as_one_text_frame(start):
    """The frames themselves: also of messages that came in fragments, with a ping in between, or as binary."""
    server = start()
    sender, reader = server.raw("/a?b=c"), server.raw("/entirely/elsewhere")
    whole = "ää" * 300
    data = whole.encode()
    sender.send(0x01, data[:1])
    sender.send(0x89, b"are you there")
    sender.send(0x00, data[1:700])
    sender.send(0x00, b"")
    sender.send(0x80, data[700:])
    assert reader.frame() == (0x81, data)
    assert sender.frame() == (0x8A, b"are you there")
    sender.send(0x82, data)
    assert reader.frame() == (0x81, data)
    sender.send(0x82, b"")
    assert reader.frame() == (0x81, b"")
    # Neither UTF-8 nor JSON: dropped and counted, and the connection goes on.
    for garbage in (b"\xff", b"\xed\xa0\x80", b"half \xc3", os.urandom(5000) + b"\xfe"):
        sender.send(0x82, garbage)
    sender.text("after it")
    assert reader.frame() == (0x81, b"after it")
    assert server.metrics()['signal_messages_received_total{outcome="not_text"}'] == 4
    assert server.metrics()['signal_messages_received_total{outcome="passed_on"}'] == 4


def test_each_senders_order_is_kept_and_all_see_the_same(start):
    server = start()

    async def body():
        async with joined(server, 6) as clients:
            async def talk(number, client):
                for count in range(150):
                    await client.send(f"{number} {count} " + "x" * (count * 7 % 300))
                    if count % 10 == number:
                        await asyncio.sleep(0.002)

            await asyncio.gather(*(talk(number, client) for number, client in enumerate(clients)))
            heard = []
            for number, client in enumerate(clients):
                found = [tuple(map(int, (await soon(client.recv())).split()[:2])) for _ in range(5 * 150)]
                heard.append(found)
                for other in range(6):
                    assert [count for sender, count in found if sender == other] == ([] if other == number else list(range(150)))
            # Two see what a third said and what the others said in one order.
            assert [one for one in heard[0] if one[0] not in (0, 1)] == [one for one in heard[1] if one[0] not in (0, 1)]

    run_async(body())


def test_whoever_joins_gets_nothing_from_before(start):
    server = start()

    async def body():
        async with joined(server, 2) as (a, b):
            await a.send("before")
            assert await soon(b.recv()) == "before"
            await a.send("just before")
            async with joined(server, 1) as (c,):
                await nothing_comes(c, b)
                await a.send("after")
                assert await soon(c.recv()) == "after"

    run_async(body())


def test_any_path_and_any_subprotocol(start):
    server = start()
    assert "sec-websocket-protocol" not in server.raw("/x").head.lower()

    async def body():
        for path in ("", "/", "/health", "/metrics", "/a/b/c?d=e&f", "/%20%C3%A9", "/" + "x" * 2000):
            async with joined(server, 1, path, subprotocols=["chat", "other"]) as (a,), joined(server, 1) as (b,):
                assert a.subprotocol == "chat"
                await a.send(path)
                assert await soon(b.recv()) == path

    run_async(body())


# Limits


def test_the_hundred_and_first_is_refused_until_somebody_leaves(start):
    server = start()

    async def body():
        async with joined(server, 100) as clients:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(server.url)
            assert refused.value.response.status_code == 503
            assert "100 connections" in json.loads(refused.value.response.body)["error"]["message"]
            assert json.loads(curl(server.http + "/health"))["connections"] == 100
            await clients[7].send("all of you")
            for number, client in enumerate(clients):
                if number != 7:
                    assert await soon(client.recv()) == "all of you"
            await clients[0].close()
            async with joined(server, 1) as (late,):
                await clients[1].send("welcome")
                assert await soon(late.recv()) == "welcome"

    run_async(body())
    assert server.metrics()['signal_refused_total{reason="full"}'] == 1


def test_a_message_too_long_ends_its_connection_alone(start):
    server = start()

    async def body():
        async with joined(server, 3) as (a, b, c):
            longest = "x" * (256 << 10)
            await a.send(longest)
            assert await soon(b.recv()) == longest and await soon(c.recv()) == longest
            await a.send(longest + "y")
            with pytest.raises(websockets.ConnectionClosed) as ended:
                await soon(a.recv())
            assert ended.value.rcvd.code == 1009
            await b.send("still here")
            assert await soon(c.recv()) == "still here"
        # In fragments, none of which is too long.
        raw = server.raw()
        raw.send(0x01, b"x" * (200 << 10))
        raw.send(0x80, b"x" * (100 << 10))
        assert raw.close_code() == 1009

    run_async(body())


def test_a_flood_waits_and_arrives_whole(start):
    """Thousands at once, cut at random: all come, in order, never more than 200 in a second; who talks beside it is not held up."""
    server = start()

    async def body():
        async with joined(server, 3) as (flooder, reader, other):
            count = 1500
            arrivals, replies = [], []

            async def flood():
                for number in range(count):
                    await flooder.send(f"flood {number}")

            async def read():
                while len(arrivals) < count:
                    text = await soon(reader.recv())
                    if text.startswith("flood"):
                        assert text == f"flood {len(arrivals)}"
                        arrivals.append(time.monotonic())
                    else:
                        replies.append(text)

            async def talk():
                for number in range(20):
                    began = time.monotonic()
                    await other.send(f"beside {number}")
                    while f"beside {number}" not in replies:
                        assert time.monotonic() - began < 5, "held up by a flood of another"
                        await asyncio.sleep(0.005)
                    await asyncio.sleep(0.1)

            await asyncio.wait_for(asyncio.gather(flood(), read(), talk()), 60)
            # The first may be late on a busy machine, and so make the rest look quick: five seconds are six at 200 a second and 1,500.
            assert arrivals[-1] - arrivals[0] > 5
            assert server.metrics()["signal_waits_total"] >= 6
            # It is not closed, and may go on.
            await flooder.send("the end")
            while await soon(reader.recv()) != "the end":
                pass

    run_async(body(), 90)


def test_what_was_said_before_leaving_still_arrives(start):
    """More than a second's worth, and gone at once: by a close frame behind it, by the end of the stream alone, under TLS, too."""
    for options in ((), ("--tls-self-signed",)):
        server = start(*options)
        reader = server.raw()
        for end in ("close", "fin"):
            sender = server.raw()
            data = b"".join(Raw.framed(0x81, f"{end} {number}".encode()) for number in range(450))
            sender.socket.sendall(data + (Raw.framed(0x88, b"\x03\xe8") if end == "close" else b""))
            if end == "fin":
                sender.socket.shutdown(socket.SHUT_WR)
            for number in range(450):
                assert reader.frame() == (0x81, f"{end} {number}".encode())
            sender.close()
        wait_until(lambda: server.metrics()["signal_connections"] == 1, "both have left")
        reader.close()


def test_a_slow_reader_is_closed_with_1013_and_nobody_else_notices(start):
    server = start("--message-rate", "1000")
    slow = server.raw(buffer=4096)

    async def body():
        async with joined(server, 2) as (a, b):
            message = "x" * 100_000
            for number in range(200):
                await a.send(f"{number} {message}")
                assert (await soon(b.recv())).startswith(f"{number} ")
                if "too far behind" in server.log:
                    break
            else:
                pytest.fail("20 MB unread, and not closed")
            assert json.loads(await asyncio.to_thread(curl, server.http + "/health"))["connections"] == 2
            await b.send("still here")
            assert await soon(a.recv()) == "still here"

    run_async(body())
    assert slow.close_code() == 1013
    figures = server.metrics()
    assert figures["signal_slow_receivers_closed_total"] == 1
    assert figures["signal_deliveries_lost_total"] >= 1


def test_the_rate_is_an_option(start):
    server = start("--message-rate", "20", "--connections", "2")
    sender, reader = server.raw(), server.raw()
    began = time.monotonic()
    sender.socket.sendall(b"".join(Raw.framed(0x81, b"%d" % number) for number in range(61)))
    assert [reader.frame()[1] for _ in range(61)] == [b"%d" % number for number in range(61)]
    assert time.monotonic() - began > 2
    assert status(server.http + "/", "-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
                  "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==") == 503


# Ends and faults


def test_whoever_does_not_answer_pings_is_closed(start):
    """A cable that is cut: nothing comes, no end either. And one that talks, but never answers."""
    server = start("--ping-interval", "1")
    silent, talker, reader = server.raw(), server.raw(), server.raw()
    reader.socket.settimeout(1)
    began, texts, pings = time.monotonic(), 0, 0
    while time.monotonic() - began < 40:
        talker.socket.settimeout(1)
        with contextlib.suppress(OSError):
            talker.text("I talk")
        with contextlib.suppress(TimeoutError):
            first, payload = reader.frame()
            texts += first == 0x81
            if first == 0x89:
                pings += 1
                reader.send(0x8A, payload)
        if server.log.count("a ping was not answered for 10 s") == 2:
            break
        time.sleep(0.05)
    assert server.log.count("a ping was not answered for 10 s") == 2, server.log
    assert texts > 3 and pings > 3
    wait_until(lambda: json.loads(curl(server.http + "/health"))["connections"] == 1, "both are gone")


def test_a_killed_client_disturbs_nobody(start):
    server = start()
    script = ("import asyncio, sys, websockets\nasync def body():\n async with websockets.connect(sys.argv[1]) as client:\n"
              "  print('here', flush=True)\n  while True:\n   await client.send('x' * 1000)\n   await asyncio.sleep(0.001)\nasyncio.run(body())")
    killed = subprocess.Popen([sys.executable, "-c", script, server.url], stdout=subprocess.PIPE)
    try:
        assert killed.stdout.readline() == b"here\n"

        async def body():
            async with joined(server, 2) as (a, b):
                assert await soon(b.recv()) == "x" * 1000
                killed.send_signal(signal.SIGKILL)
                await asyncio.to_thread(killed.wait, 5)
                for number in range(100):
                    await a.send(str(number))
                heard = []
                while len(heard) < 100:
                    text = await soon(b.recv())
                    heard += [text] if text[0] != "x" else []
                assert heard == [str(number) for number in range(100)]

        run_async(body())
    finally:
        killed.kill()
        killed.wait(5)
    wait_until(lambda: server.metrics()["signal_connections"] == 0, "all are gone")


HOSTILE = {
    "text that is no UTF-8": (Raw.framed(0x81, b"\xff\xfe"), 1007),
    "half a character": (Raw.framed(0x81, b"\xe2\x82"), 1007),
    "a frame without mask": (Raw.framed(0x81, b"hello", mask=None), 1002),
    "a ping of 126 bytes": (Raw.framed(0x89, b"x" * 126), 1002),
    "a ping in fragments": (Raw.framed(0x09, b"x"), 1002),
    "reserved bits": (Raw.framed(0xF1, b"x"), 1002),
    "an unknown opcode": (Raw.framed(0x83, b"x"), 1002),
    "a continuation of nothing": (Raw.framed(0x80, b"x"), 1002),
    "a length of 2^63": (b"\x81\xff" + b"\xff" * 8 + b"\0" * 4, 1002),
    "a length of 4 GB": (b"\x81\xff" + struct.pack(">Q", 1 << 32) + b"\0" * 4, 1009),
    "a close of one byte": (Raw.framed(0x88, b"x"), 1002),
    "a flood of pings": (Raw.framed(0x89, b"x") * 2000, 1008),
}


def test_hostile_clients_end_alone(start):
    server = start()
    a, b = server.raw(), server.raw()
    for name, (data, code) in HOSTILE.items():
        stranger = server.raw()
        stranger.socket.sendall(data)
        assert stranger.close_code() == code, name
        stranger.close()
        a.text(name)
        assert b.frame() == (0x81, name.encode())
    # Half a message, half a frame, a reset.
    for data in (Raw.framed(0x01, b"half"), b"\x81", b"\x81\xfe\x10", Raw.framed(0x81, b"x" * 5000)[:700]):
        stranger = server.raw()
        stranger.socket.sendall(data)
        stranger.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stranger.close()
    a.text("after all of them")
    assert b.frame() == (0x81, b"after all of them")
    wait_until(lambda: server.metrics()["signal_connections"] == 2, "they are gone")


def test_slow_handshakes_take_no_place(start):
    """Slowloris: hundreds of heads that never end, and who wants to join joins."""
    server = start()
    slow = []
    for number in range(300):
        one = Raw(server, handshake=False)
        one.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-A: ")
        slow.append(one)
    a, b = server.raw(), server.raw()
    for one in slow:
        one.socket.send(b"b")
    a.text("through")
    assert b.frame() == (0x81, b"through")
    # They are ended by themselves; ten seconds are theirs.
    slow[0].socket.settimeout(25)
    assert b" 408 " in slow[0].until(b"\r\n")
    wait_until(lambda: server.metrics()["http_connections"] <= 3, "all have ended", timeout=20)


# HTTP beside it


def test_plain_http(start):
    server = start()
    before = time.time()
    health = json.loads(curl(server.http + "/health"))
    assert list(health) == ["status", "connections", "timestamp"]
    assert health["status"] == "ok" and health["connections"] == 0
    assert isinstance(health["timestamp"], int) and before * 1000 - 1 <= health["timestamp"] <= time.time() * 1000 + 1
    assert b"application/json" in curl("-i", server.http + "/health")
    assert curl("-I", server.http + "/health").startswith(b"HTTP/1.1 200")
    held = server.raw()
    assert json.loads(curl(server.http + "/health?x=y"))["connections"] == 1
    assert server.metrics()["signal_connections"] == 1
    assert b"text/plain; version=0.0.4" in curl("-i", server.http + "/metrics")
    for arguments in (("/",), ("/healthz",), ("/health/",), ("/index.html",), ("/health", "-X", "POST", "-d", "x"), ("/", "-X", "DELETE"),
                      ("/", "-d", "x" * 100_000), ("/", "-H", "Connection: Upgrade", "-H", "Upgrade: h2c")):
        answer = curl("-i", server.http + arguments[0], *arguments[1:])
        head, body = answer.rsplit(b"\r\n\r\n", 1)
        assert head.startswith(b"HTTP/1.1 426") and b"\r\nupgrade: websocket" in head.lower(), answer
        assert "WebSocket" in json.loads(body)["error"]["message"]
    held.close()


def test_ipv6_and_all_interfaces(start):
    server = start(bind=None)
    address = server.url.replace("127.0.0.1", "[::1]")
    assert f"Listening on ws://[::1]:{server.port}" in server.log
    lines = server.log.splitlines()
    assert lines[0].startswith("Listening on ws://")
    assert any("can join" in line and "--token-file" in line for line in lines[:10])

    async def body():
        async with joined(server, 1) as (a,), websockets.connect(address) as b:
            await a.send("4 to 6")
            assert await soon(b.recv()) == "4 to 6"

    run_async(body())


def test_port_from_the_environment(start, binary, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        # Taken: said, and status 1.
        for environment in ({"PORT": str(port)}, {"WALDO_PORT": str(port), "PORT": "1"}):
            done = subprocess.run([binary, "signal", "--bind", "127.0.0.1"], env={**os.environ, **environment}, capture_output=True, text=True, timeout=10)
            assert done.returncode == 1
            assert f"127.0.0.1:{port}" in done.stderr and "choose one with --port" in done.stderr
    server = start("--port", str(port), environment={"PORT": "1"}, bind="127.0.0.1")
    assert server.port == port
    # At once again, although connections of before are in TIME_WAIT.
    server.raw().close()
    server.stop()
    assert start("--port", str(port), bind="127.0.0.1").port == port


def test_mistakes_are_said(binary, tmp_path):
    empty, rooms = tmp_path / "empty", tmp_path / "rooms"
    empty.write_text("# nobody\n")
    rooms.write_text("0123456789 /a\n")
    for arguments, text in ((["--port", "x"], "--port"), (["--token-file", empty], "at least one token"), (["--token-file", rooms], "line 1"),
                            (["--token-file", "/nowhere"], "/nowhere"), (["--bind", "here"], "IP addresses"), (["--connections", "0"], "--connections"),
                            (["--nonsense"], "--nonsense"), (["--trust", "x"], "--trust"), (["--tls-key", "x"], "--tls-certificate")):
        done = subprocess.run([binary, "signal", *arguments], capture_output=True, text=True, timeout=10)
        assert done.returncode == 2 and text in done.stderr, (arguments, done)
    done = subprocess.run([binary, "signal", "--help"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0 and "--token-file FILE" in done.stdout


def test_ctrl_c_says_goodbye(start):
    for number in (signal.SIGINT, signal.SIGTERM):
        server = start()
        deaf = server.raw()

        async def body():
            async with joined(server, 2) as (a, b):
                stopping = asyncio.create_task(asyncio.to_thread(server.stop, number))
                for client in (a, b):
                    with pytest.raises(websockets.ConnectionClosed) as ended:
                        await soon(client.recv())
                    assert ended.value.rcvd.code == 1001
                code, seconds = await stopping
                assert code == 0
                # Although one does not answer. The promise is two seconds; a busy machine has some more.
                assert seconds < 5

        run_async(body())
        deaf.close()


def test_contents_are_not_in_the_log(start):
    server = start("--access-log")
    a, b = server.raw("/path?token=hush"), server.raw()
    a.text("a secret word")
    b.frame()
    a.close()
    b.close()
    wait_until(lambda: server.log.count("left") == 2, "they have left")
    assert "secret word" not in server.log and "hush" not in server.log and "joined" in server.log


# Rooms, tokens, TLS, proxies


def test_rooms(start):
    server = start("--rooms", "--connections", "5")

    async def body():
        async with joined(server, 2, "/hall/1?x=y") as (a, b), joined(server, 2, "/hall%2D2") as (c, d), joined(server, 1, "/hall-2") as (e,):
            await a.send("in one")
            await c.send("in two")
            assert await soon(b.recv()) == "in one"
            assert await soon(d.recv()) == "in two" and await soon(e.recv()) == "in two"
            for one, other in ((a, b), (c, d), (b, a)):
                await nothing_comes(one, other)
            # Limits are the server's.
            with pytest.raises(websockets.InvalidStatus) as refused:
                await websockets.connect(server.url + "/another")
            assert refused.value.response.status_code == 503

    run_async(body())
    wait_until(lambda: server.metrics()["signal_rooms"] == 0, "no room is left")


def test_tokens(start, tmp_path):
    path = tmp_path / "tokens"
    path.write_text("# the team\nteam-token-1   # comment\n\nhall-token-1 /hall/1\n")
    server = start("--rooms", "--token-file", str(path))
    assert "2 tokens" in server.log and "Whoever reaches" not in server.log

    def answer(target, *fields):
        try:
            server.raw(target, fields).close()
            return 101
        except AssertionError as refused:
            return int(str(refused).split()[1])

    cases = [("/", 401), ("/?token=", 401), ("/?token=wrong-token", 401), ("/?token=team-token", 401), ("/?token=team-token-11", 401),
             ("/?token=team-token-1", 101), ("/any?a=b&token=team-token-1", 101), ("/hall/1?token=hall-token-1", 101), ("/hall/2?token=hall-token-1", 403), ("/?token=hall-token-1", 403)]
    for target, expected in cases:
        assert answer(target) == expected, target
    assert answer("/", "Authorization: Bearer team-token-1") == 101
    assert answer("/", "authorization: bearer team-token-1") == 101
    assert answer("/", "Authorization: Basic team-token-1") == 401
    assert answer("/hall/1", "Authorization: Bearer hall-token-1") == 101
    assert answer("/hall/2", "Authorization: Bearer hall-token-1") == 403
    assert status(server.http + "/health") == 200
    assert server.metrics()['signal_refused_total{reason="token"}'] == 6
    assert server.metrics()['signal_refused_total{reason="room"}'] == 3
    # Read again: who has joined stays.
    staying, other = server.raw("/?token=team-token-1"), server.raw("/?token=team-token-1")
    path.write_text("new-token-1\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "read the tokens again" in server.log, "it reads the tokens again")
    wait_until(lambda: answer("/?token=new-token-1") == 101, "the new token holds")
    assert answer("/?token=team-token-1") == 401
    staying.text("still here")
    assert other.frame() == (0x81, b"still here")
    path.write_text("bad\n")
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "cannot read the tokens again" in server.log, "it says what is wrong")
    assert answer("/?token=new-token-1") == 101


def test_tls(start):
    server = start("--tls-self-signed")
    assert server.url.startswith("wss://") and "SHA-256" in server.log
    a, b = server.raw(), server.raw()
    for text in ("short", "x" * 200_000, "é" * 30_000):
        a.text(text)
        assert b.frame() == (0x81, text.encode())
    assert json.loads(curl("-k", server.http + "/health"))["connections"] == 2
    plain = socket.create_connection(("127.0.0.1", server.port))
    plain.settimeout(5)
    plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"wss://" in plain.recv(65536)
    plain.close()
    # A flood over TLS waits, too.
    a.socket.sendall(b"".join(Raw.framed(0x81, b"%d" % number) for number in range(500)))
    assert [b.frame()[1] for _ in range(500)] == [b"%d" % number for number in range(500)]


def test_nginx_in_front(start, tmp_path):
    server = start("--trust", "127.0.0.1", "--rooms")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    temporary = "".join(f"  {name}_temp_path {tmp_path}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (tmp_path / "nginx.conf").write_text(f"""
daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
{temporary}  access_log off;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port};
    location /signal/ {{
      proxy_pass http://127.0.0.1:{server.port}/; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; proxy_set_header X-Forwarded-For 192.0.2.77;
    }}
  }}
}}
""")
    nginx = subprocess.Popen(["nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path, "-g", "user root;"], stderr=subprocess.PIPE)
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0 or nginx.poll() is not None, "nginx listens")
        assert nginx.poll() is None, nginx.stderr.read()
        assert json.loads(curl(f"http://127.0.0.1:{port}/signal/health"))["status"] == "ok"
        assert status(f"http://127.0.0.1:{port}/signal/") == 426

        async def body():
            async with websockets.connect(f"ws://127.0.0.1:{port}/signal/room", max_size=None) as a, joined(server, 1, "/room") as (b,):
                for text in ("through nginx", "x" * 250_000):
                    await a.send(text)
                    assert await soon(b.recv()) == text
                    await b.send(text)
                    assert await soon(a.recv()) == text

        run_async(body())
        # Who it is, is what the proxy says.
        assert "192.0.2.77" in server.log
    finally:
        nginx.terminate()
        nginx.wait(10)
