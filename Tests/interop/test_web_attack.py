"""Inputs that cost their sender little: others are served meanwhile, nobody's answer is cut off, and what it takes is bounded."""

import ctypes
import os
import signal
import socket
import subprocess
import threading
import time
import zlib

import pytest

from test_web_abuse import HANDSHAKE, Watched, masked, read_all
from web_server import status

END = b" HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def plain(binary, tmp_path):
    server = Watched(binary, tmp_path)
    yield server
    assert server.stop() == 0


@pytest.fixture
def tls(binary, tmp_path):
    server = Watched(binary, tmp_path, ["--tls-self-signed"])
    yield server
    assert server.stop() == 0


def small_window(server):
    """A reader whose kernel keeps little, so that the server has to."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((server.address, server.port))
    return connection


def in_background(action):
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_fast_readers_of_a_long_file_take_turns_with_others(plain):
    with open(plain.files / "long", "wb") as file:
        file.truncate(4 << 30)
    readers = [subprocess.Popen(["curl", "-s", "-o", "/dev/null", plain.url + "/files/long"]) for _ in range(2)]
    try:
        for _ in range(20):
            assert status(plain.url + "/json") == 200
        assert [reader.poll() for reader in readers] == [None, None], "the file was sent before anybody else was answered"
    finally:
        for reader in readers:
            reader.kill()
            reader.wait()


@pytest.mark.parametrize("path, count", [(b"/files/app.js", 5000), (b"/openapi.json", 5000), (b"/json", 20000)])
@pytest.mark.parametrize("half_closes", [False, True], ids=["open", "half-closed"])
def test_all_of_many_pipelined_requests_are_answered(plain, path, count, half_closes):
    with socket.create_connection((plain.address, plain.port)) as connection:
        def ask():
            connection.sendall((b"GET " + path + END) * (count - 1))
            time.sleep(0.3)
            connection.sendall(b"GET /files/app.js HTTP/1.1\r\nHost: x\r\n" + (b"" if half_closes else b"Connection: close\r\n") + b"\r\n")
            if half_closes:
                connection.shutdown(socket.SHUT_WR)
        asking = in_background(ask)
        assert read_all(connection, 20).count(b"HTTP/1.1 200 OK\r\n") == count
        asking.join(5)


def test_pipelined_answers_to_a_reader_that_waits_are_bounded(plain):
    plain.works()
    before, count = plain.memory(), 20000
    with small_window(plain) as connection:
        asking = in_background(lambda: connection.sendall((b"GET /openapi.json" + END) * count))
        time.sleep(1)
        assert plain.memory() - before < 4096, "kB more for one reader"
        plain.works()
        connection.settimeout(5)
        received = 0
        while received < 20_000_000:
            received += len(connection.recv(1 << 20))
    asking.join(5)


def test_a_long_answer_from_memory_is_sent_as_it_is_taken(binary, tmp_path):
    """Longer than what a connection keeps for a reader that is behind."""
    server, body = Watched(binary, tmp_path, ["--limit", "body=40000000"]), os.urandom(1 << 20) * 30
    with server.connect() as connection:
        asking = in_background(lambda: connection.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body))
        assert read_all(connection).endswith(body)
        asking.join(5)
    assert server.stop() == 0


def test_a_server_as_a_whole_has_options(plain):
    """RFC 9110 clause 9.3.7."""
    answer = plain.raw(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 204 ") and b"\r\nAllow: " in answer
    assert plain.raw(b"GET * HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("path", [b"/picture", b"/events"])
def test_a_stream_without_end_ends_with_its_reader(plain, path):
    """Of a picture that never comes nobody would notice otherwise."""
    with plain.connect() as connection:
        connection.sendall(b"GET " + path + END)
        connection.settimeout(5)
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        connection.shutdown(socket.SHUT_WR)
        read_all(connection, 5)
    plain.works()


@pytest.mark.parametrize("end", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
def test_an_answer_on_its_way_reaches_a_slow_reader_that_has_ended_its_side(plain, end):
    count = 300
    with small_window(plain) as connection:
        connection.sendall((b"GET /openapi.json" + END) * (count - 1) + b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n" + end + b"\r\n")
        time.sleep(0.2)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
        received = read_all(connection)
    assert received.count(b"HTTP/1.1 200 OK\r\n") == count and received.endswith(b"}")


def test_answers_on_their_way_outlive_sigterm(binary, tmp_path):
    server, count = Watched(binary, tmp_path), 400
    with small_window(server) as connection:
        connection.sendall((b"GET /openapi.json" + END) * count)
        time.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1)
        received = read_all(connection)
    assert server.process.wait(10) == 0
    # Requests that were not begun may be left out; no answer is cut in two.
    answers = received.split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert len(answers) > 1 and all(answer.endswith(b"}") for answer in answers)


def test_a_refused_request_behind_many_does_not_make_the_loop_spin(plain):
    with small_window(plain) as connection:
        connection.sendall(b"GET /files/big.bin" + END)
        time.sleep(0.2)
        asking = in_background(lambda: connection.sendall(b"BAD\r\n\r\n" + b"x" * 200_000))
        time.sleep(0.2)
        connection.settimeout(5)
        received = 0
        while received < 3_000_000:
            received += len(connection.recv(1 << 20))
        before = plain.cpu()
        time.sleep(1)
        assert plain.cpu() - before < 0.2
        asking.join(1)
    plain.works()


def close_code(server, frames):
    """What a WebSocket with compression is closed with, having sent these."""
    with server.connect() as connection:
        connection.settimeout(5)
        connection.sendall(HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(4096)
        asking = in_background(lambda: connection.sendall(frames))
        received = received.split(b"\r\n\r\n", 1)[1] + read_all(connection)
        asking.join(5)
    while received:
        size = received[1]
        start = 2 if size < 126 else 4 if size == 126 else 10
        length = size if size < 126 else int.from_bytes(received[2:start], "big")
        if received[0] == 0x88:
            return int.from_bytes(received[2:4], "big")
        received = received[start + length:]
    return None


def test_a_flood_of_messages_that_expand_without_measure_is_ended(plain):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = (squeeze.compress(b"a" * 15_000_000) + squeeze.flush(zlib.Z_SYNC_FLUSH))[:-4]
    before = plain.cpu()
    assert close_code(plain, masked(0xC2, bomb) * 50) == 1008
    assert plain.cpu() - before < 2, "seconds for 700 kB"
    plain.works()


def test_a_message_of_nothing_but_final_blocks_is_refused(plain):
    assert close_code(plain, masked(0xC2, b"\x03\x00" * 100_000)) == 1007
    plain.works()


def test_a_websocket_is_refused_where_frames_come_before_its_answer(plain):
    # Behind a file that is not read yet the handshake waits, and its frames with it: they are taken when all came at once.
    with plain.connect() as connection:
        connection.settimeout(5)
        connection.sendall(b"GET /files/app.js" + END + HANDSHAKE + masked(0x81, b"early"))
        received = b""
        while b"\x81\x05early" not in received:
            received += connection.recv(65536)


def test_a_long_message_reaches_a_reader_that_is_behind(plain):
    message = os.urandom(12 << 20)
    with small_window(plain) as connection:
        connection.settimeout(10)
        connection.sendall(HANDSHAKE + masked(0x82, message))
        time.sleep(0.5)
        received = bytearray()
        while not received.endswith(message[-100:]):
            piece = connection.recv(1 << 20)
            assert piece, f"cut off after {len(received)} bytes"
            received += piece
    assert received.endswith(message)
    plain.works()


@pytest.mark.parametrize("last, code", [(masked(0x88, b"\x03\xe8"), 1000), (masked(0x81, b"\xff"), 1007)], ids=["close", "error"])
def test_a_reader_that_is_behind_gets_the_close_frame_too(plain, last, code):
    message = bytes(1 << 20)
    with small_window(plain) as connection:
        connection.settimeout(10)
        connection.sendall(HANDSHAKE)
        for _ in range(8):
            connection.sendall(masked(0x82, message))
        connection.sendall(last)
        # What the server has in hand by now is more than the kernels keep.
        time.sleep(0.5)
        received = bytearray()
        while piece := connection.recv(1 << 20):
            received += piece
    frames, place = [], received.index(b"\r\n\r\n") + 4
    while place < len(received):
        size = received[place + 1]
        head = 2
        if size == 126:
            size, head = int.from_bytes(received[place + 2:place + 4]), 4
        elif size == 127:
            size, head = int.from_bytes(received[place + 2:place + 10]), 10
        frames.append((received[place], bytes(received[place + head:place + head + size])))
        place += head + size
    assert frames[-1][0] == 0x88 and int.from_bytes(frames[-1][1][:2]) == code, [(kind, len(text)) for kind, text in frames]
    if code == 1000:
        assert len(frames) == 9, "what was sent before the close is echoed before its answer"
    plain.works()


def test_a_flood_of_new_tls_keys_is_ended(tls):
    ssl, crypto = ctypes.CDLL("libssl.so.3"), ctypes.CDLL("libcrypto.so.3")
    for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
        getattr(ssl, name).restype = ctypes.c_void_p
    for name in ("BIO_new", "BIO_s_mem", "BIO_new_socket"):
        getattr(crypto, name).restype = ctypes.c_void_p
    pointer = ctypes.c_void_p
    context = pointer(ssl.SSL_CTX_new(pointer(ssl.TLS_client_method())))
    session = pointer(ssl.SSL_new(context))
    with socket.create_connection((tls.address, tls.port)) as connection:
        ssl.SSL_set_fd(session, connection.fileno())
        assert ssl.SSL_connect(session) == 1
        out = pointer(crypto.BIO_new(pointer(crypto.BIO_s_mem())))
        ssl.SSL_set_bio(session, pointer(crypto.BIO_new_socket(connection.fileno(), 0)), out)
        for _ in range(2000):
            assert ssl.SSL_key_update(session, 0) == 1 and ssl.SSL_do_handshake(session) == 1
        flood = ctypes.create_string_buffer(1 << 20)
        size = crypto.BIO_read(out, flood, len(flood))
        assert size > 50_000
        connection.settimeout(5)
        try:
            connection.sendall(flood.raw[:size])
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
    ssl.SSL_free(session)
    ssl.SSL_CTX_free(context)
    tls.works()
