"""The web server against other programs: curl, websockets and aiohttp; and against what nobody should send."""

import asyncio
import json
import os
import re
import signal
import socket
import struct
import time

import aiohttp
import pytest
import websockets

from conftest import run_async, wait_until
from web_server import Web, curl, status


@pytest.fixture
def web(binary, tmp_path):
    server = Web(binary, tmp_path)
    yield server
    assert server.stop() == 0


def test_small_answers(web):
    assert json.loads(curl(web.url + "/json")) == {"hello": "world", "number": 3}
    assert curl(web.url + "/text/you%20there").decode() == "Hello, you there!\n"
    assert curl("--unix-socket", web.unix, "http://x/text/unix").decode() == "Hello, unix!\n"
    assert curl("-I", web.url + "/json").startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nAllow: GET, HEAD, OPTIONS\r\n" in curl("-X", "DELETE", "-i", web.url + "/json")
    assert status("-X", "OPTIONS", web.url + "/json") == 204
    assert json.loads(curl("-d", '{"values":[1,2.5]}', web.url + "/sum")) == {"sum": 3.5}
    error = json.loads(curl("-d", '{"values":[1,"x"]}', web.url + "/sum"))["error"]
    assert error == {"code": "invalid_field", "message": "values[1]: expected number, got string"}
    for body, code in [('{"values":[1', "invalid_json"), ("[" * 65 + "]" * 65, "invalid_json"), ("[" * 64 + "]" * 64, "invalid_field"), ("", "invalid_json")]:
        answer = curl("-w", " %{http_code}", "-d", body, web.url + "/sum")
        assert answer.endswith(b" 400") and json.loads(answer[:-4])["error"]["code"] == code, body
    document = json.loads(curl(web.url + "/openapi.json"))
    assert document["openapi"] == "3.1.0" and document["paths"]["/text/{name}"]["get"]["parameters"][0]["name"] == "name"


def test_bodies_of_both_framings(web):
    body = os.urandom(900_000)
    assert curl("--data-binary", "@-", web.url + "/echo", data=body) == body
    assert curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@-", web.url + "/echo", data=body) == body
    assert curl("-H", "Expect: 100-continue", "--data-binary", "@-", web.url + "/echo", data=body) == body
    assert status("--data-binary", f"@{web.files}/big.bin", web.url + "/echo") == 413


def test_files(web):
    big = (web.files / "big.bin").read_bytes()
    assert curl(web.url + "/files/") == b"<p>hello\n"
    assert curl(web.url + "/files/big.bin") == big
    assert curl("-r", "100-199", web.url + "/files/big.bin") == big[100:200]
    assert curl("-r", "-7", web.url + "/files/big.bin") == big[-7:]
    assert status("-r", "3000000-", web.url + "/files/big.bin") == 416
    head = curl("-I", web.url + "/files/app.js").decode()
    tag = re.search(r'^ETag: (".*?")', head, re.M).group(1)
    assert "text/javascript" in head
    assert status("-H", f"If-None-Match: {tag}", web.url + "/files/app.js") == 304
    assert curl("-H", "Accept-Encoding: gzip", web.url + "/files/app.js") == b"zipped"
    for path in ("out/passwd", ".secret", "none", "%2e%2e/web.log"):
        assert status("--path-as-is", f"{web.url}/files/{path}") in (400, 404), path
    assert status("--path-as-is", web.url + "/files/../../etc/passwd") == 400


def test_one_port_of_several_addresses(binary, tmp_path):
    server = Web(binary, tmp_path, ["--bind", "127.0.0.2", "--bind", "::1"])
    for host in ("127.0.0.1", "127.0.0.2", "[::1]"):
        assert status(f"http://{host}:{server.port}/json") == 200
    assert server.stop() == 0


def test_pipelined_requests_are_answered_in_order(web):
    requests = b"".join(b"GET /text/%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(200))
    answer = web.raw(requests + b"GET /files/big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert [int(n) for n in re.findall(rb"Hello, (\d+)!", answer)] == list(range(200))
    assert answer.endswith((web.files / "big.bin").read_bytes())


@pytest.mark.parametrize("data,expected", [
    (b"GET / HTTP/1.1\nHost: x\n\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400), (b"nonsense\r\n\r\n", 400), (b"GET / HTTP/2.0\r\n\r\n", 505),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 400),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414), (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1_000_000, 431),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200, 431),
])
def test_what_nobody_should_send_is_answered_and_closed(web, data, expected):
    answer = web.raw(data)
    assert answer.startswith(b"HTTP/1.1 %d " % expected), answer[:200]
    assert len(re.findall(rb"^HTTP/1.1 \d", answer, re.M)) == 1 and b"Connection: close" in answer
    assert status(web.url + "/json") == 200


def test_events_and_slow_readers(web):
    with socket.create_connection(("127.0.0.1", web.port)) as watcher:
        watcher.settimeout(10)
        watcher.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while answer.count(b"\ndata: ") < 5:
            assert (piece := watcher.recv(65536)), answer
            answer += piece
    # Some who never read; the others notice nothing.
    stuck = [socket.create_connection(("127.0.0.1", web.port)) for _ in range(20)]
    for connection in stuck:
        connection.sendall(b"GET /files/big.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    for _ in range(20):
        start = time.monotonic()
        assert status(web.url + "/json") == 200
        assert time.monotonic() - start < 2
    for connection in stuck:
        connection.close()


def test_pictures_have_the_form_that_browsers_and_old_viewers_know(web):
    """Nothing but the type before each picture, and no length: byte by byte."""
    with socket.create_connection(("127.0.0.1", web.port)) as watcher:
        watcher.settimeout(5)
        # HTTP/1.0: without chunks around it.
        watcher.sendall(b"GET /picture HTTP/1.0\r\n\r\n")
        received = b""
        while b"\r\n\r\n" not in received:
            received += watcher.recv(65536)
        head, received = received.split(b"\r\n\r\n", 1)
        assert b"\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n" in head and b"\r\nCache-Control: no-store\r\n" in head
        assert b"content-length" not in head.lower()
        for picture in (b"\xff\xd8one\r\n--frame\r\n", b"\xff\xd8" + os.urandom(50_000)):
            curl("-X", "PUT", "--data-binary", "@-", web.url + "/picture", data=picture)
            expected = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n"
            while len(received) < len(expected):
                received += watcher.recv(65536)
            assert received == expected
            received = b""


def test_ipv6(binary, tmp_path):
    server = Web(binary, tmp_path, ["--access-log"], address="::1")
    assert curl(f"http://[::1]:{server.port}/text/six") == b"Hello, six!\n"
    assert curl("--unix-socket", server.unix, "http://x/text/unix") == b"Hello, unix!\n"
    assert server.stop() == 0
    assert "client=::1 " in server.log.read_text()


def proxied(version, source, target, port):
    """A PROXY header, as HAProxy and load balancers put it before a connection."""
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    if version == 1:
        return f"PROXY TCP{6 if ':' in source else 4} {source} {target} {port} 443\r\n".encode()
    addresses = socket.inet_pton(family, source) + socket.inet_pton(family, target) + struct.pack("!HH", port, 443)
    # Behind the addresses a value of some type: to be passed over.
    extra = b"\x04\x00\x03abc"
    return (b"\r\n\r\n\0\r\nQUIT\n\x21" + (b"\x21" if ":" in source else b"\x11") + struct.pack("!H", len(addresses + extra)) + addresses + extra)


def test_clients_are_named_by_the_proxy_header(binary, tmp_path):
    server = Web(binary, tmp_path, ["--trust", "127.0.0.0/8", "--proxy-header", "--access-log", "--log-format", "json"])
    request = b"GET /text/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    clients = []
    for version in (1, 2):
        for source, target in (("192.0.2.7", "198.51.100.1"), ("2001:db8::7", "2001:db8::1")):
            for pieces in (1, 10_000):
                data = proxied(version, source, target, 1234 + len(clients)) + request
                with socket.create_connection(("127.0.0.1", server.port)) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.settimeout(5)
                    step = max(1, len(data) // pieces)
                    for start in range(0, len(data), step):
                        connection.sendall(data[start:start + step])
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
                clients.append(source)
    # A health check of the proxy's own names nobody.
    assert server.raw(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" + request).startswith(b"HTTP/1.1 200 ")
    assert curl("--haproxy-protocol", server.url + "/text/x") == b"Hello, x!\n"
    clients += ["127.0.0.1"] * 2
    for wrong in (request, b"PROXY TCP4 1.2.3 4.5.6.7 1 2\r\n" + request, b"PROXY " + b"x" * 200, b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c"):
        assert server.raw(wrong, timeout=3).startswith(b"HTTP/1.1 400 ")
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    assert [line["client"] for line in lines if line.get("path") == "/text/x"] == clients


def test_the_proxy_header_of_a_stranger_is_no_request(binary, tmp_path):
    server = Web(binary, tmp_path, ["--trust", "10.0.0.0/8", "--proxy-header"])
    assert curl(server.url + "/text/x") == b"Hello, x!\n"
    assert server.raw(proxied(1, "192.0.2.7", "198.51.100.1", 1) + b"GET /text/x HTTP/1.1\r\nHost: x\r\n\r\n", timeout=3).startswith(b"HTTP/1.1 400 ")
    assert server.stop() == 0


def test_websockets_of_python(web):
    async def body():
        for compression in (None, "deflate"):
            async with websockets.connect(f"ws://127.0.0.1:{web.port}/ws", subprotocols=["echo"], compression=compression,
                                          max_size=None) as client:
                assert client.subprotocol == "echo"
                for message in ["hi", b"\0" * 100_000, "é" * 70_000, "", os.urandom(2_000_000), "abc" * 1000]:
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["frag", "men", "ted"])
                assert await client.recv() == "fragmented"
                await asyncio.wait_for(await client.ping(), 5)
            assert client.close_code == 1000
        async with aiohttp.ClientSession() as session, session.ws_connect(web.url + "/ws") as client:
            await client.send_str("from aiohttp")
            assert await client.receive_str() == "from aiohttp"
        async with websockets.connect(f"ws://127.0.0.1:{web.port}/broadcast") as client:
            assert [json.loads(await client.recv())["tick"] for _ in range(3)]

    run_async(body())


def test_broken_websockets_are_closed_with_their_code(web):
    handshake = (b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                 b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    masked = lambda first, payload: bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload
    for frame, code in [(b"\x81\x00", 1002), (masked(0x83, b""), 1002), (masked(0x81, b"\xff"), 1007),
                        (b"\x82\xff" + b"\x7f" + b"\xff" * 7 + b"\0\0\0\0", 1009), (masked(0x89, b"") * 200, 1008)]:
        # Frames right behind the handshake belong to the WebSocket already.
        answer = web.raw(handshake + frame)
        head, frames = answer.split(b"\r\n\r\n", 1)
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        closes = re.findall(rb"\x88.(..)", frames, re.S)
        assert closes and int.from_bytes(closes[-1], "big") == code, frames[-200:]
    assert web.raw(handshake.replace(b"13", b"8")).startswith(b"HTTP/1.1 426 ")


def test_requests_under_way_finish_when_the_server_ends(binary, tmp_path):
    server = Web(binary, tmp_path)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        # Its answer shows that the request is under way.
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            received += connection.recv(65536)
        assert received.startswith(b"HTTP/1.1 100 "), received
        connection.sendall(b"he")
        server.process.send_signal(signal.SIGTERM)

        def is_refused():
            with socket.socket() as another:
                return another.connect_ex(("127.0.0.1", server.port)) != 0

        wait_until(is_refused, "nobody else is let in")
        connection.sendall(b"llo")
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK") and answer.endswith(b"hello") and b"Connection: close" in answer
    assert server.process.wait(12) == 0


def test_websockets_that_are_reset_while_the_server_ends_do_not_end_it_otherwise(binary, tmp_path):
    web = Web(binary, tmp_path)
    request = (b"GET /broadcast HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
    sockets = []
    for _ in range(400):
        connection = socket.create_connection(("127.0.0.1", web.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(request)
        assert connection.recv(12) == b"HTTP/1.1 101"
        sockets.append(connection)
    # Half of them are still being reset when the server says goodbye.
    for connection in sockets[:200]:
        connection.close()
    web.process.send_signal(signal.SIGTERM)
    for connection in sockets[200:]:
        connection.close()
    assert web.stop() == 0, web.log.read_text()
