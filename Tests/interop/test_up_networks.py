"""`waldo up` over a network that can be cut: Firefox and Chromium live in a namespace, the station listens on the cable to it."""

import pytest

from conftest import launch_chromium, wait_until
from station import SMALL, hold_until, station  # noqa: F401
from test_up_browsers import Console, stands

PATIENCE = 40.0


@pytest.fixture
def near_station(station, network):
    """A station that both namespaces reach."""
    def start(*options):
        return station(*SMALL, "--bind", network.near, "--insecure", *options, address=network.near)
    return start


@pytest.fixture
def far_console(playwright, network, tmp_path):
    """far_console(station) opens the console in a Chromium that lives at the other end of the network."""
    program = tmp_path / "chromium"
    program.write_text(f'#!/bin/sh\nexec ip netns exec {network.namespace} /usr/bin/chromium "$@"\n')
    program.chmod(0o755)
    browsers = []

    def open_console(here):
        browser = launch_chromium(playwright, program=program)
        browsers.append(browser)
        return Console(browser.new_page(viewport={"width": 1280, "height": 720}), here)

    yield open_console
    network.mend()
    for browser in browsers:
        browser.close()


class FirefoxConsole:
    """The drive screen in Firefox."""

    def __init__(self, firefox, here):
        self.firefox, self.here = firefox, here
        firefox.open(here.url + "/")

    def get(self, expression):
        return self.firefox.run(f"() => {{ const waldo = window.waldo; return {expression}; }}")

    def until(self, expression, what, timeout=PATIENCE):
        return wait_until(lambda: self.get(f"Boolean(window.waldo && ({expression}))"), what, timeout, interval=0.2)

    def ready(self):
        self.until("window.waldo && waldo.state === 'live' && waldo.frames > 5 && waldo.telemetry", "the picture is there")
        return self

    def take_control(self):
        self.firefox.click("#lease-button")
        self.until("waldo.lease && waldo.lease.yours && waldo.lease.state === 'held'", "the lease is ours")
        self.until("!waldo.telemetry.safety.rest_needed", "the stick was at rest")


    def hold(self, key, condition, what):
        hold_until(self.here, lambda: self.firefox.keys(**{key: "down"}), lambda: self.firefox.keys(**{key: "up"}), condition, what)


@pytest.fixture
def firefox_console(firefox):
    yield lambda here: FirefoxConsole(firefox, here)
    firefox.release_keys()
    firefox.open("about:blank")


def pose(here):
    return here.state()["pose"]


def test_firefox_drives_by_keyboard(near_station, firefox_console, firefox):
    here = near_station()
    page = firefox_console(here).ready()
    page.take_control()
    start = pose(here)["x"]
    page.hold("w", lambda: pose(here)["x"] > start + 0.05, "the odometer moves")
    page.until("waldo.control.hold === true", "the key is the dead-man")
    assert here.state()["command"]["view_age"] is not None, "the page says which picture it acts on"
    firefox.keys(w="up")
    wait_until(lambda: stands(here), "it stands when the key is released", PATIENCE)
    start = pose(here)["yaw"]
    page.hold("d", lambda: pose(here)["yaw"] < start - 0.05, "it turns right: clockwise (REP-103)")
    firefox.keys(Escape="press")
    wait_until(lambda: here.state()["safety"]["latched"] and stands(here), "Escape latches, while a key is down", PATIENCE)
    page.until("waldo.control.stop === 'latched'", "the page shows what telemetry says")
    firefox.keys(d="up")
    assert page.get("waldo.errors") == []


def stopped(here):
    """The reason, once it stands by a stop."""
    state = stands(here)
    return state and state["safety"]["state"] == "stopped" and state["safety"]["reason"]


@pytest.mark.parametrize("seconds", [0, 5])
def test_a_cut_network_stops_the_robot_and_the_page_comes_back(near_station, far_console, network, seconds):
    here = near_station()
    page = far_console(here).ready()
    page.take_control()
    page.drive_forward()
    network.cut()
    # The key is down all the time: what went on driving would be seen.
    reason = wait_until(lambda: stopped(here), "it stands, and says so", PATIENCE)
    assert reason in ("silence", "view_stale", "link_lost"), here.state()["safety"]
    where = pose(here)
    if seconds:
        page.until("waldo.state === 'lost'", "the page says that the link is lost", PATIENCE)
        page.page.wait_for_timeout(1000 * seconds)
        assert stands(here) and abs(pose(here)["x"] - where["x"]) < 0.05, "nothing moved while it was cut"
    network.mend()
    page.until("waldo.state === 'live' && waldo.telemetry", "there is a link again", PATIENCE)
    assert seconds == 0 or page.get("waldo.connects") >= 2
    shown = page.get("waldo.frames")
    page.until(f"waldo.frames > {shown + 10}", "the picture runs", PATIENCE)
    # The key that was down before the cut moves nothing after it.
    assert stands(here), here.state()
    page.page.keyboard.up("w")
    if seconds:
        wait_until(lambda: stands(here) and page.get("waldo.lease.holder === null || waldo.lease.yours"), "the old session is over", PATIENCE)
        if not page.get("waldo.lease.yours"):
            page.take_control()
        page.drive_forward()
        page.page.keyboard.up("w")
        wait_until(lambda: stands(here), "and stops", PATIENCE)


def encoded(here):
    return {name: value for name, value in here.metrics().items() if name.startswith("waldo_encoder{") and 'figure="frames"' in name}


def test_a_second_viewer_gets_a_picture_of_the_same_encoder(near_station, far_console):
    here = near_station()
    first = far_console(here).ready()
    before = encoded(here)
    assert len(before) == 1, before
    second = far_console(here).ready()
    assert 0 < second.get("waldo.firstFrameMs") < 1000 * PATIENCE
    drawn, between = here.metrics()["waldo_sim_pictures_total"], encoded(here)
    shown = [page.get("waldo.frames") for page in (first, second)]
    for page, count in zip((first, second), shown):
        page.until(f"waldo.frames > {count + 40}", "the picture runs", PATIENCE)
    after, drawn = encoded(here), here.metrics()["waldo_sim_pictures_total"] - drawn
    assert after.keys() == before.keys(), "no second encoder"
    [made] = [after[name] - between[name] for name in after]
    assert made <= drawn + 5, f"{made:.0f} frames encoded of {drawn:.0f} pictures: each is encoded once"
    assert here.state()["viewers"] == 2
    assert first.faults == [] and second.faults == []
