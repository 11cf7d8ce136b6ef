"""What the source says to offers and requests that it cannot take; it must live on."""

import re
import subprocess

import pytest

from conftest import wait_until

OFFER = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=video 9 UDP/TLS/RTP/SAVPF 96
c=IN IP4 0.0.0.0
a=mid:0
a=ice-ufrag:abcd
a=ice-pwd:abcdefghijklmnopqrstuvwx
a=fingerprint:sha-256 {fingerprint}
a=setup:actpass
a=recvonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
""".replace("\n", "\r\n").format(fingerprint=":".join(["AB"] * 32))

BROKEN = {
    "empty": ("", "v="),
    "no SDP": ("hello", "line 1"),
    "no media line": ("v=0\r\nm=\r\n", "line 2"),
    "bad port": (OFFER.replace("m=video 9", "m=video 99999"), "line 6"),
    "bad candidate count of bytes": (OFFER + "a=rtpmap:x y\r\n", "line 16"),
    "short password": (OFFER.replace("abcdefghijklmnopqrstuvwx", "abc"), "ice-pwd"),
    "no fingerprint": (re.sub("a=fingerprint.*\r\n", "", OFFER), "fingerprint"),
    "no ICE": (re.sub("a=ice-.*\r\n", "", OFFER), "ice-ufrag"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_offers_are_refused_with_a_reason(source, name):
    body, wanted = BROKEN[name]
    server = source("--codec", "vp8")
    answer = server.offer(body)
    assert answer.status == 400, answer
    assert wanted in answer.text, answer
    assert server.metrics()["waldo_peers"] == 0
    assert server.offer(OFFER).status == 201


def test_garbage_does_no_harm(source):
    server = source("--codec", "vp8")
    random = __import__("random").Random(20)
    text = OFFER.encode()
    for _ in range(200):
        broken = bytearray(text)
        for _ in range(random.randrange(1, 8)):
            at = random.randrange(len(broken))
            broken[at:at + random.randrange(1, 20)] = bytes(random.randrange(256) for _ in range(random.randrange(0, 20)))
        answer = server.offer(bytes(broken))
        assert answer.status in (201, 400, 422), answer
        if answer.status == 201:
            assert server.request("DELETE", answer.headers["Location"]).status == 200
    assert server.metrics()["waldo_peers"] == 0


def test_an_offer_without_our_codec_is_refused_with_advice(source):
    server = source("--codec", "h264")
    answer = server.offer(OFFER)
    assert answer.status == 422, answer
    assert "--codec vp8" in answer.text, answer
    assert server.metrics()["waldo_peers"] == 0


@pytest.mark.parametrize(
    "method, path, content_type, status",
    [("POST", "/whep", "text/plain", 415), ("PATCH", "/whep/77", "application/sdp", 404), ("DELETE", "/whep/77", None, 404),
     ("DELETE", "/whep/x", None, 404), ("GET", "/whep", None, 405), ("GET", "/nothing", None, 404), ("OPTIONS", "/whep", None, 204)])
def test_requests_out_of_place(source, method, path, content_type, status):
    body = OFFER if method in ("POST", "PATCH") else None
    assert source("--size", "320x240").request(method, path, body, content_type).status == status


def test_a_busy_port_is_said(source, binary):
    server = source("--size", "320x240")
    second = subprocess.run([binary, "bench", "source", "--port", str(server.port)], capture_output=True, text=True, timeout=10)
    assert second.returncode not in (0, None)
    assert str(server.port) in second.stderr, second.stderr


def test_a_session_outlives_bad_changes(source):
    server = source("--codec", "vp8")
    session = server.offer(OFFER).headers["Location"]
    assert server.request("PATCH", session, "a=mid:0\r\na=candidate:1 1 udp 1 192.0.2.9 9 typ host\r\n", "application/trickle-ice-sdpfrag").status == 204
    assert server.request("PATCH", session, OFFER, "text/plain").status == 415
    assert server.request("PATCH", session, "v=0\r\nnonsense", "application/sdp").status == 400
    # An m-line that was there cannot go (RFC 3264 §8).
    answer = server.request("PATCH", session, OFFER[:OFFER.index("m=")], "application/sdp")
    assert answer.status == 400, answer
    assert server.request("PATCH", session, OFFER.replace(" 2 IN", " 3 IN"), "application/sdp").status == 200
    assert server.metrics()["waldo_peers"] == 1
    assert server.request("DELETE", session).status == 200


def test_sessions_that_never_connect_are_forgotten(source):
    server = source("--codec", "vp8")
    for _ in range(5):
        assert server.offer(OFFER).status == 201
    assert server.metrics()["waldo_peers"] == 5
    wait_until(lambda: server.metrics()["waldo_peers"] == 0, "sessions without a single check are forgotten", timeout=45, interval=1)
