"""ICE servers that a station names: the forms of RFC 9725 clause 4.6, and Chromium that reaches the robot through coturn alone."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
import subprocess
import time

import pytest
import websockets
from aiortc import RTCPeerConnection

from conftest import run_async, wait_until
from station import SMALL, station  # noqa: F401
from test_up_browsers import Console
from turn_server import PASSWORD, USER, TurnServer

SECRET = "what both know"
# Nothing but relays: what connects has used the servers that the station named. `made` is every connection of the page.
RELAY_ONLY = """
    const Real = RTCPeerConnection;
    window.made = [];
    window.RTCPeerConnection = class extends Real {
        constructor(configuration) { super({ ...configuration, iceTransportPolicy: 'relay' }); window.made.push(this); }
    };"""
PAIR = """async () => {
    const report = await window.made.at(-1).getStats();
    for (const entry of report.values()) {
        if (entry.type === 'transport' && entry.selectedCandidatePairId) {
            const local = report.get(report.get(entry.selectedCandidatePairId).localCandidateId);
            return `${local.candidateType} ${local.relayProtocol}`;
        }
    }
    return null;
}"""


def links(answer):
    return answer.headers.get_all("Link") or []


def rest_login(link):
    """The user and the password of a Link field, which are good by the secret."""
    found = re.fullmatch(r'<([^>]+)>; rel="ice-server"; username="(\d+):(\d+)"; credential="([^"]+)"; credential-type="password"', link)
    assert found, link
    user = f"{found.group(2)}:{found.group(3)}"
    wanted = base64.b64encode(hmac.new(SECRET.encode(), user.encode(), hashlib.sha1).digest()).decode()
    assert found.group(4) == wanted
    return int(found.group(2)), user


async def an_offer():
    pc = RTCPeerConnection()
    pc.createDataChannel("state")
    await pc.setLocalDescription(await pc.createOffer())
    sdp = pc.localDescription.sdp
    await pc.close()
    return sdp


def test_every_answer_names_the_servers_with_credentials_that_end(station):
    here = station(*SMALL, "--ice-servers", "stun:192.0.2.1,TURN:turn.example.org:3478?transport=udp", "--turn-lifetime", "600",
                   environment={"WALDO_TURN_SECRET": SECRET, "PATH": "/usr/bin"})
    offer = run_async(an_offer())
    users = set()
    for method, path, body in [("OPTIONS", "/whep/rover", None), ("POST", "/whep/rover", offer), ("GET", "/api/robots", None)]:
        before = int(time.time())
        answer = here.request(method, path, body, {"Content-Type": "application/sdp"} if body else {})
        after = int(time.time())
        assert answer.status in (200, 201, 204), (method, answer)
        stun, turn = links(answer)
        assert stun == '<stun:192.0.2.1>; rel="ice-server"'
        assert turn.startswith("<turn:turn.example.org:3478?transport=udp>;")
        until, user = rest_login(turn)
        assert before + 600 <= until <= after + 600
        users.add(user)
    assert len(users) == 3, "each client has a user of its own"
    options = here.request("OPTIONS", "/whep/rover")
    assert "POST" in options.headers["Allow"] and options.headers["Accept-Post"] == "application/sdp"
    assert here.request("OPTIONS", "/whep/nobody").status == 404

    async def by_messages():
        async with websockets.connect(f"ws://127.0.0.1:{here.port}/api/signal?robot=rover") as socket:
            await socket.send(json.dumps({"type": "offer", "sdp": offer}))
            return json.loads(await asyncio.wait_for(socket.recv(), 30))

    servers = run_async(by_messages())["ice_servers"]
    assert servers[0] == {"urls": "stun:192.0.2.1"}
    assert servers[1]["urls"] == "turn:turn.example.org:3478?transport=udp" and set(servers[1]) == {"urls", "username", "credential"}


def test_credentials_are_quoted_and_need_the_stations_token(station):
    here = station(*SMALL, "--token", "supervisor-1", "--ice-servers", "turns:turn.example.org",
                   "--turn-user", 'A"da', "--turn-password", "back\\slash")
    for method, path in [("OPTIONS", "/whep/rover"), ("GET", "/api/robots")]:
        refused = here.request(method, path)
        assert refused.status == 401 and not links(refused)
        [link] = links(here.request(method, path, fields={"Authorization": "Bearer supervisor-1"}))
        assert link == ('<turns:turn.example.org>; rel="ice-server"; username="A\\"da"; credential="back\\\\slash"; '
                        'credential-type="password"')


def test_without_servers_nobody_is_told_of_any(station):
    here = station(*SMALL)
    options = here.request("OPTIONS", "/whep/rover")
    assert options.status == 204 and not links(options) and not links(here.request("GET", "/api/robots"))


@pytest.mark.parametrize("options, words", [
    (["--ice-servers", "turn.example.org"], ["--ice-servers", "`turn.example.org`", "stun:"]),
    (["--ice-servers", "stun:a,http://b/"], ["`http://b/`", "turns:"]),
    (["--ice-servers", "stun:a?transport=udp"], ["`stun:a?transport=udp`", "stun: takes none"]),
    (["--ice-servers", "stun:a>b"], ["`stun:a>b`", "no name"]),
    (["--ice-servers", "stun:a:99999"], ["99999", "65535"]),
    (["--ice-servers", "turn:a"], ["`turn:a`", "--turn-secret"]),
    (["--ice-servers", "stun:a", "--turn-secret", "x"], ["turn:", "credentials"]),
    (["--turn-secret", "x"], ["--ice-servers", "turn:"]),
    (["--ice-servers", "turn:a", "--turn-user", "x"], ["--turn-password"]),
    (["--ice-servers", "turn:a", "--turn-user", "x", "--turn-password", "y", "--turn-secret", "z"], ["either", "--turn-secret"]),
    (["--ice-servers", "turn:a", "--turn-user", "x", "--turn-password", "y\nz"], ["--turn-password", "ASCII"]),
    (["--ice-servers", ",".join(["stun:a"] * 9)], ["at most 8", "9"]),
    (["--ice-servers", "turn:a", "--turn-secret", "x", "--turn-lifetime", "1"], ["--turn-lifetime", "60"]),
])
def test_what_is_no_server_is_said_plainly(binary, options, words):
    done = subprocess.run([binary, "config", *options], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def test_secrets_are_not_shown(binary):
    for secret in [["--turn-secret", "hush-hush"], ["--turn-user", "ada", "--turn-password", "hush-hush"]]:
        done = subprocess.run([binary, "config", "--ice-servers", "turn:a", *secret], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and "hush-hush" not in done.stdout and "(set)" in done.stdout, done.stdout


@pytest.mark.parametrize("kind, transport, path", [("shared", "udp", "/"), ("shared", "tcp", "/#/robot/rover"), ("fixed", "udp", "/")])
def test_the_console_comes_through_a_relay_at_once(station, chromium, tmp_path, kind, transport, path):
    options = ["--use-auth-secret", f"--static-auth-secret={SECRET}"] if kind == "shared" else []
    logins = ["--turn-secret", SECRET] if kind == "shared" else ["--turn-user", USER, "--turn-password", PASSWORD]
    with TurnServer(str(tmp_path), *options) as server:
        here = station(*SMALL, "--ice-servers", server.url(transport), *logins)
        context = chromium.new_context()
        try:
            page = context.new_page()
            page.add_init_script(RELAY_ONLY)
            console = Console(page, here, path).ready()
            assert console.get("waldo.connects") == 1 and console.get("waldo.problem") is None
            assert page.evaluate(PAIR) == f"relay {transport}", server.read_log()
            # Known before anything was offered where the robot's name was asked for; else by the first answer. No connection fails for it.
            assert console.get("made.length") == 2
            assert console.faults == []
            # The session that was given up for one with servers is gone.
            wait_until(lambda: here.json("/api/robots")["robots"][0]["viewers"] == 1, "one session is left")
        finally:
            context.close()
