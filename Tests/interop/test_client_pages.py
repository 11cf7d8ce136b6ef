"""Plain pages in Chromium: an operator's with our robot, a robot's with our operator (specs: teleop-client clause 14)."""

import http.server
import pathlib
import re
import threading

import pytest

from client_support import FRAMES, PATIENCE, stage  # noqa: F401
from conftest import wait_until

SCRIPT = (pathlib.Path(__file__).parent / "plain_page.js").read_text()


@pytest.fixture(scope="module")
def origin():
    """From where pages come. Chromium lets only pages of this machine talk to servers on it."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


@pytest.fixture
def page(chromium, stage, origin):
    """page("robot", "texts") opens a plain page and lets it begin."""
    contexts, errors = [], []

    def begin(role, shape, late=0, codec=None):
        context = chromium.new_context()
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(origin)
        page.evaluate(SCRIPT)
        page.evaluate("options => plain.start(options)", {
            "role": role, "url": stage.hub.url, "shape": shape, "late": late, "codec": codec})
        return page

    yield begin
    for context in contexts:
        context.close()
    assert errors == []


@pytest.mark.parametrize("shape, codec", [("texts", None), ("bare", "video/H264"), ("hidden", "video/VP8")])
def test_a_plain_operator_page(stage, page, shape, codec):
    robot = stage.robot("--size", "320x240")
    robot.expect("Waiting for operator...")
    operator = page("operator", shape, codec=codec)
    robot.connected()
    wait_until(lambda: operator.evaluate("plain.frames()") >= 15, f"15 frames; {robot.log}", PATIENCE)
    wait_until(lambda: operator.evaluate("plain.channel.readyState") == "open", f"the channel is open; {robot.log}", PATIENCE)
    operator.evaluate("""plain.channel.send('{"x":"0.42","y":"-0.13"}')""")
    robot.expect('Action received: {"x":"0.42","y":"-0.13"}')
    assert operator.evaluate("plain.messages") == []
    if shape != "hidden":
        return
    # It is closed: gone without a word on the server.
    operator.close()
    robot.expect(re.compile("Connection state: (closed|failed)"))
    robot.expect("Waiting for operator...")


@pytest.mark.parametrize("shape, late", [("usual", 0), ("bare", 1500), ("hidden", 1500)])
def test_a_plain_robot_page(stage, page, shape, late):
    """Its candidates come before the answer, or late after it."""
    operator = stage.operator("--command-interval", "0.5")
    operator.expect("Offer sent")
    robot = page("robot", shape, late)
    operator.connected()
    operator.more_frames()
    assert operator.find(FRAMES)[0] == "Received 30 frames (320x240)"
    wait_until(lambda: len(robot.evaluate("plain.messages")) >= 3, f"commands come; {operator.log}", PATIENCE)
    assert all(re.fullmatch(r'\{"x":"0\.\d\d","y":"0\.\d\d"\}', text) for text in robot.evaluate("plain.messages"))
    assert robot.evaluate("plain.channel.label") == "robot-control"
    assert operator.count("Answer received") == 1
