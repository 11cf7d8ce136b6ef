"""What `waldo client` can be told, and how it says that something is wrong (specs: teleop-client clauses 1, 2, 9 and 12)."""

import json
import os
import pty
import re
import signal
import subprocess
import termios
import time

import pytest

from client_support import PATIENCE, stage  # noqa: F401
from conftest import wait_until

MENU = ["Select role:", "  1 - Robot (streamer)", "  2 - Operator (controller)"]
# Nobody listens there.
NOWHERE = ("--signaling", "ws://127.0.0.1:9", "--ice-server", "none")


def run(binary, *words, said="", variables=None, timeout=20):
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("WALDO_", "TELEOP_", "ICE_", "SIGNALING_"))}
    return subprocess.run(
        [binary, *words], input=said, capture_output=True, text=True, timeout=timeout, env={**usual, **(variables or {})})


@pytest.mark.parametrize("said", ["3\n", "", "\n", "robot\n", "12\n", "1 2\n", "\x00\n"])
def test_other_choices_end_it(binary, said):
    answer = run(binary, "client", *NOWHERE, said=said)
    assert (answer.returncode, answer.stderr) == (1, ""), answer
    assert answer.stdout.splitlines() == [*MENU, "Invalid choice. Exiting."]


@pytest.mark.parametrize("said, first", [
    ("1", "Camera opened: 320x240 @ 15"), (" 1 ", "Camera opened: 320x240 @ 15"), ("2", f"Connecting to signaling server: {NOWHERE[1]}"),
    ("\t2\r", f"Connecting to signaling server: {NOWHERE[1]}")])
def test_the_menu_on_a_pipe(stage, said, first):
    client = stage.client(
        "client", *NOWHERE, "--camera", "test", "--size", "320x240", "--rate", "15", "--headless", signaling=False, pipe=True)
    client.say(said)
    client.expect("Signaling connection lost, retrying in 1 s")
    assert client.lines[:4] == MENU + [first]
    client.stop()


def test_the_menu_can_be_ended(binary):
    process = subprocess.Popen([binary, "client", *NOWHERE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline().decode().strip() == MENU[0]
    process.terminate()
    try:
        assert process.wait(10) == -signal.SIGTERM
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("key, last", [(b"2", "Connecting to signaling server"), (b" 1", "Camera opened"), (b"x", "Invalid choice. Exiting."),
                                       (b"\x03", "Invalid choice. Exiting.")])
def test_one_key_on_a_terminal(binary, key, last):
    terminal, other = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", binary, "client", *NOWHERE, "--camera", "test", "--headless"], stdin=other, stdout=other, stderr=other)
    os.close(other)
    shown = b""
    try:
        os.set_blocking(terminal, False)

        def read():
            nonlocal shown
            try:
                shown += os.read(terminal, 4096)
            except OSError:
                pass
            return shown.decode(errors="replace")

        wait_until(lambda: MENU[2] in read(), "the menu")
        # Its question stands before the terminal is told to hand over single keys.
        wait_until(lambda: not termios.tcgetattr(terminal)[3] & termios.ICANON, "single keys are handed over")
        os.write(terminal, key)
        wait_until(lambda: last in read(), f"`{last}` without a line end; {shown!r}")
        is_wrong = key in (b"x", b"\x03")
        if not is_wrong:
            # Ctrl+C is the terminal's: it was left as it had been.
            os.write(terminal, b"\x03")
            wait_until(lambda: "Bye." in read(), f"Ctrl+C; {shown!r}")
        assert process.wait(10) == (1 if is_wrong else 0), shown
    finally:
        if process.poll() is None:
            process.kill()
            process.wait(10)
        os.close(terminal)


@pytest.mark.parametrize("words, variables, wanted", [
    (["--role", "nonsense"], {}, "--role.*robot.*operator.*nonsense"),
    (["--role", ""], {}, "--role"),
    ([], {"TELEOP_ROLE": "Robot"}, "TELEOP_ROLE.*Robot"),
    (["--unknown"], {}, "unknown"),
    (["--signaling", "http://127.0.0.1"], {}, "--signaling.*ws"),
    (["--signaling", "127.0.0.1:8080"], {}, "--signaling.*ws"),
    ([], {"SIGNALING_SERVER_URL": "nonsense"}, "SIGNALING_SERVER_URL.*nonsense"),
    (["--ice-server", "http://example.org"], {}, "--ice-server.*http://example.org"),
    (["--ice-server", "turn:192.0.2.1"], {}, "--ice-server.*turn:192.0.2.1"),
    ([], {"ICE_SERVERS": "[{"}, "ICE_SERVERS"),
    ([], {"ICE_SERVERS": '[{"url":"stun:192.0.2.1"}]'}, "ICE_SERVERS.*urls"),
    ([], {"ICE_SERVERS": '[{"urls":[7]}]'}, "ICE_SERVERS"),
    ([], {"ICE_SERVERS": "stun:192.0.2.1,nonsense"}, "ICE_SERVERS.*nonsense"),
    (["--command-interval", "0"], {}, "--command-interval"),
    (["--command-interval", "often"], {}, "--command-interval.*often"),
    (["--command-format", "roman"], {}, "--command-format.*roman"),
    (["--commands", "voice"], {}, "--commands.*voice"),
    (["--log", "yaml"], {}, "--log.*yaml"),
    (["--config", "/nowhere/at/all.json"], {}, "/nowhere/at/all.json"),
])
def test_what_is_wrong_is_said_with_status_2(binary, words, variables, wanted):
    role = [] if "--role" in words or "TELEOP_ROLE" in variables else ["--role", "operator"]
    answer = run(binary, "client", *role, "--headless", *words, variables=variables)
    assert answer.returncode == 2, answer
    assert re.search(wanted, answer.stderr, re.DOTALL), answer.stderr
    assert answer.stdout == "", answer.stdout


@pytest.mark.parametrize("text", ['{"signaling": 7', '[]', '{"nonsense": 1}', '{"role": {}}', '{"command-interval": null}'])
def test_a_file_that_is_wrong(binary, tmp_path, text):
    path = tmp_path / "client.json"
    path.write_text(text)
    answer = run(binary, "client", "--role", "operator", "--headless", "--config", str(path))
    assert answer.returncode == 2 and str(path) in answer.stderr and answer.stdout == "", answer


@pytest.mark.parametrize("camera", ["rgb", "/dev/video7", "7", "realsense_rgb", "realsense_depth"])
def test_a_camera_that_is_not_there(binary, camera):
    if os.path.exists("/dev/video0") or os.path.exists("/dev/video7"):
        pytest.skip("this machine has a camera")
    answer = run(binary, "client", "--role", "robot", *NOWHERE, "--camera", camera)
    assert answer.returncode == 1, answer
    assert re.fullmatch(r"Cannot open camera: .{10,}\n", answer.stdout), answer.stdout


def test_precedence(stage, tmp_path):
    """Flag, environment, file, default; the words of clause 1 and the common ones."""
    path = tmp_path / "client.json"
    path.write_text(json.dumps({
        "signaling": "ws://127.0.0.1:9/file", "role": "operator", "headless": True, "id": "from-file", "log": "json", "ice-server": ["none"],
        "commands": "none", "command-interval": 0.5}))
    third = stage.third()
    url = stage.hub.url

    def first(words=(), variables=None):
        client = stage.client("client", "--config", str(path), *words, signaling=False, environment=variables)
        line = client.expect(re.compile(r'\{.*"connecting".*\}')).string
        return client, json.loads(line)["url"]

    client, named = first()
    assert named == "ws://127.0.0.1:9/file"
    client, named = first(variables={"SIGNALING_SERVER_URL": f"{url}/environment"})
    assert named == f"{url}/environment"
    assert third.hears("offer")["from"] == "from-file"
    client, named = first(["--signaling", f"{url}/flag?a=b", "--id", "from-flag"], {"SIGNALING_SERVER_URL": "ws://127.0.0.1:9/environment"})
    assert named == f"{url}/flag?a=b"
    third.hears("offer", **{"from": "from-flag"})
    client, named = first(["--size", "320x240"], {"TELEOP_ROLE": "robot", "TELEOP_CAMERA": "test", "SIGNALING_SERVER_URL": url})
    assert third.hears("ready", role="robot")["from"] == "from-file"
    assert json.loads(client.lines[0])["event"] == "camera_opened"
    client, named = first(["--role", "operator"], {"TELEOP_ROLE": "robot", "SIGNALING_SERVER_URL": url, "WALDO_ID": "from-variable"})
    third.hears("offer", **{"from": "from-variable"})


def test_an_id_is_made_up(stage):
    third = stage.third()
    for _ in range(2):
        stage.operator()
    # One of them may offer again before the other has begun.
    names = wait_until(lambda: len(names := {message["from"] for message in third.messages("offer")}) == 2 and names, "two names", PATIENCE)
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in names)


@pytest.mark.parametrize("value", [
    '[{"urls":"stun:127.0.0.1:9"},{"urls":["stun:127.0.0.1:9","turn:127.0.0.1:9"],"username":"u","credential":"c"}]',
    " stun:127.0.0.1:9 ,stun:[::1]:9", "none", "[]"])
def test_ice_servers_of_the_environment(stage, value):
    third = stage.third()
    stage.operator(environment={"ICE_SERVERS": value})
    assert "typ host" in third.hears("offer")["offer"]["sdp"]


def test_lines_for_programs(stage):
    """`--log json`, and `--stats`."""
    robot, operator = stage.robot("--log", "json"), stage.operator("--log", "json", "--stats", "--command-interval", "0.2")

    def events(client):
        return [json.loads(line) for line in list(client.lines)]

    wait_until(lambda: [each for each in events(operator) if each["event"] == "frames"], "frames", PATIENCE)
    statistics = wait_until(
        lambda: [each for each in events(operator) if each["event"] == "stats" and each["state"] == "connected" and each["fps"] > 0],
        "figures", PATIENCE)[-1]
    wait_until(lambda: [each for each in events(robot) if each["event"] == "action_received"], "a command comes", PATIENCE)
    assert (statistics["width"], statistics["height"]) == (320, 240) and statistics["bitrate"] > 0 and 0 <= statistics["loss"] <= 1
    for client in (operator, robot):
        client.process.send_signal(signal.SIGTERM)
        assert client.process.wait(10) == 0
        wait_until(lambda: events(client)[-1]["event"] == "bye", "its end")
        assert all(abs(each["t"] - time.time()) < 120 for each in events(client) if each["event"] != "stats"), client.log
    names = [each["event"] for each in events(robot)]
    for name in ("camera_opened", "connecting", "connected", "waiting", "offer_received", "answer_sent", "connection_state", "channel_open",
                 "action_received", "shutting_down"):
        assert name in names, names
    sent = [each["text"] for each in events(operator) if each["event"] == "action_sent"]
    assert [each["text"] for each in events(robot) if each["event"] == "action_received"] == sent[:names.count("action_received")]


def test_without_a_display(stage):
    """Clause 9: one line, and everything else as it is."""
    client = stage.client("operator")
    client.expect("Offer sent")
    assert client.count("No display, running headless") == 1, client.log
