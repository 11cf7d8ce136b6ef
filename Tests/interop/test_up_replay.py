"""`waldo replay FILE --serve`: a recorded drive in the console, where nothing can be driven."""

import json

import pytest

from conftest import run_async, wait_until
from station import SMALL, Operator, Station, station  # noqa: F401
from test_up_browsers import ARTEFACTS, Console


@pytest.fixture(scope="module")
def recording(binary, tmp_path_factory):
    """Ada drives a little, and stops by silence."""
    folder = tmp_path_factory.mktemp("recorded")
    here = Station(binary, folder, [*SMALL, "--record"])

    async def play():
        async with Operator(here) as ada:
            await ada.creep(0.15)
            await ada.until(lambda: ada.safety["state"] == "stopped", "it stops by silence")

    try:
        run_async(play(), timeout=240)
    finally:
        fault = here.stop()
    assert fault is None, fault
    [path] = (folder / "recordings").glob("*.mcap")
    return path


@pytest.fixture
def replay(station, recording):
    return lambda *options: station(*options, robot="recording", words=("replay", str(recording), "--serve"))


def test_the_robot_is_the_recording(replay):
    here = replay()
    [robot] = here.json("/api/robots")["robots"]
    assert robot["id"] == "recording" and robot["online"] and robot["cameras"] == ["front"]
    about = here.json("/api/robots/recording")
    # As it was recorded: the console's arrows and range finder need it.
    assert about["drive"] == "recorded" and about["model"] == "Waldo Rover" and about["limits"]["vx"] > 0
    assert len(about["ranges"]["bearings"]) > 2 and about["actions"] == [] and not about["microphone"] and not about["speaker"]
    picture = wait_until(lambda: (found := here.request("GET", "/snapshot.jpg")).status == 200 and found, "a picture")
    assert picture.text[:3] == b"\xff\xd8\xff"
    import urllib.request
    with urllib.request.urlopen(here.url + "/video_feed?fps=5", timeout=30) as feed:
        assert feed.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        assert b"\xff\xd8\xff" in feed.read(2000)


def test_nothing_is_driven_and_the_reason_is_said(replay):
    here = replay()

    async def play():
        async with Operator(here, view="video") as eve:
            assert eve.welcome["rights"] == [] and eve.welcome["robot"]["drive"] == "recorded"
            for message in [{"type": "lease", "action": "acquire"}, {"type": "lease", "action": "take"},
                            {"type": "action", "epoch": 1, "name": "treat"}, {"type": "mode", "epoch": 1, "name": "normal"},
                            {"type": "clear", "epoch": 1}, {"type": "estop"}]:
                ack = await eve.ask(message)
                assert not ack["ok"] and ack["error"]["code"] == "recording" and "takes no commands" in ack["error"]["message"], ack
            # The drive as it was: its driver, its motion, its stop; on the clock of now.
            await eve.until(lambda: eve.telemetry["lease"]["holder"] and eve.telemetry["lease"]["holder"]["name"] == "Ada", "Ada drives", 60)
            assert eve.telemetry["lease"]["yours"] is False and eve.telemetry["recording"] is False
            await eve.until(lambda: eve.telemetry["velocity"]["vx"] > 0.05, "it moved", 60)
            assert eve.telemetry["command"]["applied"]["vx"] > 0
            times = [eve.telemetry["time"]]
            await eve.until(lambda: eve.safety["state"] == "stopped" and eve.safety["reason"] == "silence", "it stopped", 60)
            assert eve.telemetry["time"] > times[0]
            # From the beginning again.
            await eve.until(lambda: not eve.telemetry["lease"]["holder"], "nobody drives at the beginning", 60)

    run_async(play(), timeout=240)
    refused = here.request("POST", "/api/robots/recording/estop")
    assert refused.status == 409 and json.loads(refused.text)["error"]["code"] == "recording"
    assert here.metrics().get('waldo_robot{robot="recording",figure="latched"}') == 0


@pytest.mark.parametrize("size", [(1280, 720), (360, 740)])
def test_the_console_shows_it_and_offers_nothing_that_drives(replay, chromium, size):
    here = replay()
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, has_touch=size[0] < 500)
    try:
        page = Console(context.new_page(), here).ready()
        page.until("waldo.telemetry.velocity.vx > 0.05 && document.getElementById('move-applied').getAttribute('d')",
                   "the arrow shows the motion", 60)
        assert page.get("document.getElementById('fan').getAttribute('d')")
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        page.page.screenshot(path=ARTEFACTS / f"replay-{size[0]}x{size[1]}.png")
        assert page.layout_faults() == []
        assert page.get("document.querySelector('#situation strong').textContent") == "Recording."
        for name in ["stop", "lease-button", "take", "pads", "talk", "actions", "mode", "speed-limit"]:
            assert not page.page.locator(f"#{name}").is_visible(), name
        page.page.keyboard.press("Escape")
        page.page.keyboard.down("w")
        page.until("waldo.telemetry.safety.state === 'stopped'", "the recorded stop", 60)
        page.page.keyboard.up("w")
        assert page.get("waldo.control.stop") == "clear" and page.get("waldo.control.sent") == 0
        assert page.get("waldo.lease.yours") is False and page.get("waldo.rights.length") == 0
        assert page.faults == []
    finally:
        context.close()


def test_others_in_the_network_need_the_token(replay):
    here = replay("--bind", "0.0.0.0")
    assert here.token and len(here.token) >= 16
    assert here.request("GET", "/snapshot.jpg").status == 401
    assert here.request("GET", f"/api/robots?token={here.token}").status == 200
