"""Two of our peers, relay-only on both sides, through coturn: UDP, TCP and TLS to the server (RFC 8656, RFC 8489 clause 9.2)."""

import re
import time

import pytest
from peer import Peer, connect, negotiate
from turn_server import PASSWORD, USER, TurnServer

PICTURE = ("--size", "640x360", "--bitrate", "800")


def relayed(server, transport, *more, password=PASSWORD):
    options = ["--ice-server", f"{server.url(transport)},{USER},{password}", "--relay-only", "--bind", "127.0.0.1"]
    if transport == "tls":
        options += ["--turn-ca", server.certificate]
    return options + list(more)


def frames(line):
    return int(line.split(" ")[1])


def more_frames(peer, number, timeout=20):
    return peer.expect(lambda line: line.startswith("video ") and frames(line) >= number, timeout)


def refreshes(server):
    """The lifetimes that the server's log says were granted anew, by allocation; a lifetime of 0 ends one."""
    found = {}
    for session, lifetime in re.findall(r"session (\d+): refreshed,.* lifetime=(\d+)", server.whole_log()):
        found.setdefault(session, []).append(int(lifetime))
    return found


@pytest.fixture
def directory(tmp_path):
    return str(tmp_path)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_video_and_channels_pass_two_relays(directory, transport):
    with TurnServer(directory) as server:
        with Peer(*relayed(server, transport, "--video", "send", *PICTURE, "--channel", "drive")) as sender, \
             Peer(*relayed(server, transport, "--video", "recv", "--echo")) as receiver:
            connect(sender, receiver)
            pair = sender.expect("pair")
            assert pair.count("typ relay") == 2, f"expected relayed candidates on both sides, got {pair}"
            sender.expect("channel open drive")
            sender.say("send drive forward")
            assert sender.expect("message drive") == "message drive forward"
            sender.say("send-bytes drive 100000")
            assert sender.expect("message drive") == "message drive bytes:100000"
            line = more_frames(receiver, 60)
            assert line.split(" ")[4] == "640x360" and "malformed" not in line
            assert int(receiver.statistics()["video.in0.packetsLost"]) == 0


def test_the_sides_may_reach_the_server_differently(directory):
    with TurnServer(directory) as server:
        with Peer(*relayed(server, "tls", "--video", "send", *PICTURE)) as sender, \
             Peer(*relayed(server, "udp", "--video", "recv")) as receiver:
            connect(sender, receiver)
            more_frames(receiver, 30)


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_a_restart_refreshes_allocations_with_a_new_nonce(directory, transport):
    """RFC 8656 clause 8, RFC 8489 clause 9.2.5. Nonces live for 5 s, allocations for 600 s: only the restart can have asked for the refresh."""
    with TurnServer(directory, "--stale-nonce=5") as server:
        with Peer(*relayed(server, transport, "--video", "send", *PICTURE)) as sender, \
             Peer(*relayed(server, transport, "--video", "recv")) as receiver:
            connect(sender, receiver)
            sender.expect("pair")
            time.sleep(8)
            negotiate(sender, receiver, restart=True)
            sender.expect("pair")
            number = int(receiver.statistics()["video.in0.framesReceived"])
            more_frames(receiver, number + 60)
            log = server.read_log()
            assert "438: Stale nonce" in log, f"expected a stale nonce in the server's log, got\n{log}"
            assert "REFRESH processed, success" in log, f"expected refreshes in the server's log, got\n{log}"


@pytest.mark.parametrize("transport", ["udp", "tls"])
def test_allocations_outlive_their_lifetime(directory, transport):
    """RFC 8656 clause 3.2: an allocation is refreshed before it ends. Here it ends after 8 s, and pictures pass for twice as long."""
    with TurnServer(directory, "--max-allocate-lifetime=8", "--stale-nonce=5") as server:
        with Peer(*relayed(server, transport, "--video", "send", *PICTURE)) as sender, \
             Peer(*relayed(server, transport, "--video", "recv")) as receiver:
            connect(sender, receiver)
            pair = sender.expect("pair")
            assert pair.count("typ relay") == 2, pair
            begin, number = time.monotonic(), 0
            while time.monotonic() < begin + 17:
                number = frames(more_frames(receiver, number + 15, 5))
            # One allocation a side: each is refreshed before 8 s have passed, and again before 16.
            lifetimes = refreshes(server)
            assert len(lifetimes) == 2 and all(len(each) >= 2 and set(each) == {8} for each in lifetimes.values()), lifetimes


def test_a_wrong_password_is_said(directory):
    with TurnServer(directory) as server:
        with Peer(*relayed(server, "udp", "--channel", "drive", password="wrong")) as peer:
            peer.say("create-offer")
            line = peer.expect("server-failed", 10)
            assert line.startswith(f"server-failed {server.url('udp')} 401 "), line
            # Without a candidate there still is an offer: others may know a way.
            assert "a=candidate" not in peer.description("offer")


def test_a_certificate_that_is_not_trusted_is_said(directory):
    with TurnServer(directory) as server:
        options = relayed(server, "tls", "--channel", "drive")
        options = [o for o in options if o not in ("--turn-ca", server.certificate)]
        with Peer(*options) as peer:
            peer.say("create-offer")
            line = peer.expect("server-failed", 10)
            assert line.startswith(f"server-failed {server.url('tls')} 701 ") and "certificate" in line, line


def test_a_certificate_for_another_server_is_said(directory):
    with TurnServer(directory, certified="192.0.2.99") as server:
        with Peer(*relayed(server, "tls", "--channel", "drive")) as peer:
            peer.say("create-offer")
            line = peer.expect("server-failed", 10)
            assert "IP address mismatch" in line, line


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_nobody_listening_is_said(directory, transport):
    with TurnServer(directory) as server:
        options = relayed(server, transport, "--channel", "drive")
    with Peer(*options) as peer:
        peer.say("create-offer")
        line = peer.expect("server-failed", 15)
        assert "Connection refused" in line, line


def test_server_names_are_resolved(directory):
    with TurnServer(directory) as server:
        options = [o.replace("127.0.0.1", "localhost") if o.startswith("turns:") else o for o in relayed(server, "tls", "--channel", "drive")]
        with Peer(*options) as a, Peer(*options, "--echo") as b:
            connect(a, b)
            assert a.expect("pair").count("typ relay") == 2
