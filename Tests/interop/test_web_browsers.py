"""Real browsers on the web server: requests, WebSocket, events, MJPEG; in the clear and over TLS."""

import pathlib

import pytest

from web_server import Web

SCRIPT = (pathlib.Path(__file__).parent / "web_page.js").read_text()


def judge(results):
    picture = results.pop("picture")
    socket = results.pop("socket")
    assert results == {"many": True, "sum": {"sum": 6.5}, "echo": True, "missing": [404, "not_found"], "range": [206, 10],
                       "cached": 200, "events": True}
    assert "permessage-deflate" in socket.pop("extensions")
    assert socket == {"protocol": "echo", "text": "Grüße 🤖", "empty": "", "large": True, "closed": [3000, "enough", True]}
    assert picture["width"] == 64 and picture["colour"][0] < 60 and picture["colour"][1] > 200, picture


@pytest.mark.parametrize("options", [[], ["--tls-self-signed"]], ids=["plain", "tls"])
def test_chromium(binary, tmp_path, chromium, options):
    server = Web(binary, tmp_path, options)
    context = chromium.new_context(ignore_https_errors=True)
    page = context.new_page()
    page.goto(server.url + "/files/index.html")
    judge(page.evaluate(SCRIPT))
    # Open connections do not hold the server's end up.
    assert server.stop() == 0
    context.close()


@pytest.mark.parametrize("options", [[], ["--tls-self-signed"]], ids=["plain", "tls"])
def test_firefox(binary, tmp_path, firefox, network, options):
    server = Web(binary, tmp_path, options, address=network.near)
    firefox.open(server.url + "/files/index.html")
    judge(firefox.run(SCRIPT))
    assert server.stop() == 0
