"""Driving `waldo up` from its console in real browsers: keyboard, gamepad, hand-over, emergency stop, and every way for a page to be gone."""

import os
import re
import signal
import time

import psutil
import pytest
from playwright.sync_api import Error

from conftest import ROOT, launch_chromium, wait_until
from station import SMALL, Station, hold_until, station  # noqa: F401

ARTEFACTS = ROOT / ".build" / "artefacts"
SIZES = [(360, 740), (1280, 720), (1920, 1080)]
# Phones on their side, small tablets, a laptop at 200 %.
SMALL_SIZES = [(640, 360), (667, 331), (740, 360), (844, 390), (720, 480), (722, 481), (800, 600), (960, 540), (1024, 552), (1180, 500), (1180, 640)]

# A gamepad of the standard mapping: the page sees what `pad` holds.
GAMEPAD = """(() => {
    const button = () => ({ pressed: false, touched: false, value: 0 });
    window.pad = { id: 'Test pad', index: 0, connected: true, mapping: 'standard', timestamp: 0,
        axes: [0, 0, 0, 0], buttons: Array.from({ length: 17 }, button) };
    navigator.getGamepads = () => window.pad.connected ? [window.pad, null, null, null] : [null, null, null, null];
})()"""

# What sticks out of the window, and what can be pressed and covers another.
LAYOUT_FAULTS = """() => {
    const shown = [...document.querySelectorAll('button, select, input, a, .pad')].filter(e => e.checkVisibility({ visibilityProperty: true })
        && e.getBoundingClientRect().width > 0);
    const boxes = shown.map(e => [e.getAttribute('aria-label') || e.textContent.trim() || e.id, e.getBoundingClientRect(), e]);
    const found = [];
    for (const [name, box] of boxes)
        if (box.left < -1 || box.top < -1 || box.right > innerWidth + 1 || box.bottom > innerHeight + 1) found.push(`${name} is outside`);
    for (const [i, [name, a, e]] of boxes.entries()) for (const [other, b, f] of boxes.slice(i + 1))
        if (!e.contains(f) && !f.contains(e) && Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2
            && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2) found.push(`${name} covers ${other}`);
    if (document.documentElement.scrollWidth > innerWidth) found.push('the page scrolls sideways');
    for (const panel of document.querySelectorAll('#situation, #lease, #motion')) {
        const words = document.createRange(), box = panel.getBoundingClientRect();
        words.selectNodeContents(panel);
        for (const line of words.getClientRects())
            if (line.width > 1 && (line.top < box.top - 1 || line.bottom > box.bottom + 1)) found.push(`${panel.id} is too small for its words`);
    }
    return [...new Set(found)]; }"""


class Console:
    """The drive screen in a Chromium page."""

    def __init__(self, page, here, path="/"):
        self.page, self.here = page, here
        self.faults = []
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: self.faults.append(message.text) if message.type == "error" else None)
        page.goto(here.url.replace("127.0.0.1", "localhost") + path)

    def get(self, expression):
        return self.page.evaluate(f"() => {expression}")

    def until(self, expression, what, timeout=20.0):
        return wait_until(lambda: self.get(expression), what, timeout, interval=0.05)

    def ready(self):
        self.until("window.waldo && waldo.state === 'live' && waldo.frames > 5 && waldo.telemetry", "the picture is there")
        return self

    def take_control(self):
        self.page.get_by_role("button", name="Drive", exact=True).click()
        self.until("waldo.lease && waldo.lease.yours && waldo.lease.state === 'held'", "the lease is ours")
        self.at_rest()

    def at_rest(self):
        self.until("!waldo.telemetry.safety.rest_needed", "the stick was at rest")

    def layout_faults(self):
        return self.page.evaluate(LAYOUT_FAULTS)

    def velocity(self):
        return self.get("waldo.telemetry.velocity.vx")

    def x(self):
        return self.here.state()["pose"]["x"]

    def drive_forward(self):
        """Holds W until the robot moves."""
        start, keyboard = self.x(), self.page.keyboard
        hold_until(self.here, lambda: keyboard.down("w"), lambda: keyboard.up("w"), lambda: self.x() > start + 0.03, "the odometer moves")


def stands(here):
    state = here.state()
    return abs(state["velocity"]["vx"]) < 0.02 and abs(state["commanded"]["vx"]) == 0 and state


@pytest.fixture
def console(playwright):
    """console(station) opens a browser of its own, so that it can be killed alone."""
    opened = []

    def open_console(here, path="/", init=None, size=(1280, 720), **options):
        others = browsers()
        browser = launch_chromium(playwright)
        opened.append(browser)
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        page = context.new_page()
        if init:
            page.add_init_script(init)
        made = Console(page, here, path)
        # The other tests' browsers are not this test's to kill.
        made.processes = browsers() - others
        return made

    yield open_console
    for browser in opened:
        try:
            browser.close()
        except Exception:
            pass  # one that the test has killed


def browsers():
    """The main processes of the Chromiums that this test run has started."""
    found = [process for process in psutil.Process().children(recursive=True) if "chrom" in process.name()]
    ids = {process.pid for process in found}
    return {process for process in found if process.ppid() not in ids}


@pytest.mark.parametrize("way", ["button", "escape"])
def test_stop_works_where_the_cockpit_does_not_come(station, playwright, way):
    """A module that fails to load must not leave a live picture with a dead STOP; the page tries again by itself."""
    here, browser = station(*SMALL), launch_chromium(playwright)
    page, blocked = browser.new_page(), []
    try:
        def answer(route):
            if here.state()["safety"]["latched"]:
                return route.continue_()
            blocked.append(1)
            return route.abort()

        page.route("**/hud.js", answer)
        page.goto(here.url.replace("127.0.0.1", "localhost") + "/", wait_until="commit")
        wait_until(lambda: page.wait_for_timeout(20) or blocked, "a module was asked for")
        if way == "button":
            page.locator("#stop").dispatch_event("pointerdown")
        else:
            page.keyboard.press("Escape")
        wait_until(lambda: page.wait_for_timeout(20) or here.state()["safety"]["latched"], "the robot is latched")

        def came_back():
            try:
                return page.evaluate("() => Boolean(window.waldo && waldo.telemetry?.safety.latched)")
            except Error:
                return False  # asked in the moment in which the page is loaded again

        wait_until(came_back, "the page came back", 60)
    finally:
        browser.close()


def test_drives_by_keyboard(station, console):
    here = station(*SMALL)
    page = console(here).ready()
    page.take_control()
    page.drive_forward()
    assert page.get("waldo.control.hold") is True
    page.page.keyboard.up("w")
    wait_until(lambda: stands(here), "it stands when the key is released")
    wait_until(lambda: here.state()["safety"]["state"] == "idle", "nothing had to stop it")
    start = here.state()["pose"]["yaw"]
    hold_until(here, lambda: page.page.keyboard.down("a"), lambda: page.page.keyboard.up("a"),
               lambda: abs(here.state()["pose"]["yaw"] - start) > 0.05, "it turns")
    assert here.state()["pose"]["yaw"] > start, "left is counter-clockwise (REP-103)"
    page.page.keyboard.up("a")
    assert page.faults == []


def test_a_gamepad_drives_and_its_loss_stops(station, console):
    here = station(*SMALL)
    page = console(here, init=GAMEPAD).ready()
    page.take_control()
    page.until("waldo.pad && waldo.pad.id === 'Test pad'", "the pad is seen")
    start = page.x()
    # The stick with the dead-man button held.
    hold_until(here, lambda: page.get("(pad.buttons[4] = { pressed: true, touched: true, value: 1 }, pad.axes[1] = -0.8, pad.timestamp++)"),
               lambda: page.get("(pad.axes[1] = 0, pad.timestamp++)"), lambda: page.x() > start + 0.03, "the stick drives")
    page.get("(pad.connected = false, window.dispatchEvent(Object.assign(new Event('gamepaddisconnected'), { gamepad: pad })))")
    wait_until(lambda: stands(here), "a pad that goes stops it")
    page.get("(pad.connected = true, pad.axes[1] = 0, pad.buttons[4] = { pressed: false, touched: false, value: 0 })")
    page.get("(pad.buttons[1] = { pressed: true, touched: true, value: 1 })")
    wait_until(lambda: here.state()["safety"]["latched"], "B is the emergency stop")


def test_a_locked_pointer_is_a_dead_man(station, console):
    here = station(*SMALL)
    page = console(here).ready()
    page.take_control()
    page.page.mouse.click(640, 300)
    page.until("document.pointerLockElement !== null", "the pointer is locked")
    page.until("waldo.control.hold === true", "which holds the dead-man")
    page.drive_forward()
    page.get("document.exitPointerLock()")
    page.page.keyboard.up("w")
    wait_until(lambda: stands(here), "it stands")


def test_the_lease_goes_between_two_browsers(station, console):
    here = station(*SMALL)
    ada, bob = console(here).ready(), console(here).ready()
    ada.take_control()
    bob.page.get_by_role("button", name="Request control").click()
    ada.page.get_by_role("button", name="Grant").click()
    bob.until("waldo.lease.yours && waldo.lease.state === 'held'", "Bob has it")
    ada.until("!waldo.lease.yours", "Ada has not")
    bob.at_rest()
    bob.drive_forward()
    bob.page.keyboard.up("w")


def test_a_viewers_stop_stops_the_drivers_robot(station, console):
    here = station(*SMALL)
    driver, viewer = console(here).ready(), console(here).ready()
    driver.take_control()
    driver.drive_forward()
    viewer.page.keyboard.press("Escape")
    wait_until(lambda: here.state()["safety"]["latched"] and stands(here), "latched, and it stands")
    driver.page.keyboard.up("w")
    driver.until("waldo.control.stop === 'latched'", "the driver sees it")
    viewer.until("waldo.control.stop === 'latched'", "and who pulled it")
    # From its first letter on: beside an old picture another button says `stopped`, too.
    button = driver.page.get_by_role("button", name=re.compile("^Stopped"))
    button.wait_for()
    box = button.bounding_box()
    driver.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    def cleared():
        """Where the robot has not seen the stick at rest yet, the button is to be held again."""
        driver.page.mouse.down()
        deadline = time.monotonic() + 5
        while (latched := here.state()["safety"]["latched"]) and time.monotonic() < deadline:
            driver.page.wait_for_timeout(50)
        driver.page.mouse.up()
        return not latched

    wait_until(cleared, "holding the button clears it, for who drives", 30)
    driver.at_rest()
    driver.drive_forward()
    driver.page.keyboard.up("w")


@pytest.mark.parametrize("way", ["button", "escape"])
def test_stop_pulls_where_the_latch_is_not_seen_any_more(station, console, way):
    """A page that last saw the latch knows nothing of a robot that it has lost: here it comes back without."""
    here = station(*SMALL)
    page = console(here).ready()
    page.page.keyboard.press("Escape")
    page.until("waldo.control.stop === 'latched'", "the page sees the latch")
    # It finds no session afterwards, and asks over HTTP.
    page.page.route("**/whep/**", lambda route: route.abort())
    assert here.stop() is None
    here.stop = lambda: None
    page.until("waldo.state !== 'live'", "the link is lost")
    assert page.get("waldo.control.stop") == "clear"
    again = station(*SMALL, "--port", here.port)
    if way == "button":
        page.page.locator("#stop").dispatch_event("pointerdown", {"button": 0})
    else:
        page.page.keyboard.press("Escape")
    wait_until(lambda: page.page.wait_for_timeout(20) or again.state()["safety"]["latched"], "the robot is latched")
    page.until("waldo.control.stop === 'latched'", "and the page has seen it")


@pytest.mark.parametrize("way", ["hidden", "blurred", "closed", "killed", "stopped"])
def test_a_page_that_is_gone_does_not_drive(station, console, way):
    here = station(*SMALL)
    page = console(here).ready()
    page.take_control()
    page.drive_forward()
    stopped = []
    if way == "hidden":
        page.get("(Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }),"
                 " Object.defineProperty(document, 'hidden', { value: true, configurable: true }),"
                 " document.dispatchEvent(new Event('visibilitychange')))")
    elif way == "blurred":
        page.get("window.dispatchEvent(new Event('blur'))")
    elif way == "closed":
        page.page.close()
    else:
        stopped = [process for main in page.processes for process in [main, *main.children(recursive=True)]]
        assert stopped
        for process in stopped:
            try:
                process.send_signal(signal.SIGKILL if way == "killed" else signal.SIGSTOP)
            except psutil.NoSuchProcess:
                pass
    try:
        state = wait_until(lambda: stands(here), "it stands", timeout=5)
        if way in ("killed", "stopped"):
            state = wait_until(lambda: (now := here.state())["safety"]["state"] == "stopped" and now, "and says so")
            assert state["safety"]["reason"] in ("silence", "link_lost", "view_stale"), state["safety"]
        # It does not start again by itself.
        time.sleep(0.5)
        assert stands(here)
    finally:
        for process in stopped:
            if way == "stopped" and process.is_running():
                process.send_signal(signal.SIGCONT)


def test_many_viewers_share_one_encode(station, console, binary):
    import subprocess

    here = station(*SMALL)
    first = console(here).ready()
    encoders = here.encoders()
    assert len(encoders) == 1, encoders
    second = console(here).ready()
    assert second.get("waldo.firstFrameMs") is not None
    crowd = subprocess.run(
        [binary, "bench", "viewers", "--url", here.url + "/whep/rover", "--count", "20", "--seconds", "3"],
        capture_output=True, text=True, timeout=60)
    assert crowd.returncode == 0, crowd.stderr
    assert here.encoders() == encoders, "no viewer made another encoder"
    first.until("waldo.state === 'live'", "the first goes on")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_drive_screen_fits(station, console, size, scheme):
    """Nothing sticks out of the window, and nothing that can be pressed covers another; the pictures are kept to be looked at."""
    here = station(*SMALL)
    page = console(here, size=size, color_scheme=scheme, has_touch=size[0] < 500).ready()
    page.take_control()
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.page.screenshot(path=ARTEFACTS / f"drive-{size[0]}x{size[1]}-{scheme}.png")
    assert page.layout_faults() == []
    assert page.faults == []


@pytest.mark.parametrize("touch", [False, True])
def test_the_drive_screen_fits_small_windows(station, console, touch):
    """Above all STOP is in the window, and no thumb pad lies on what can be pressed."""
    here = station(*SMALL)
    page = console(here, has_touch=touch, is_mobile=touch).ready()
    page.take_control()
    faults = {}
    for width, height in SMALL_SIZES:
        page.page.set_viewport_size({"width": width, "height": height})
        wait_until(lambda: page.get(f"innerWidth === {width} && innerHeight === {height}"), "the window has its size")
        if found := page.layout_faults():
            faults[f"{width}x{height}"] = found
    assert faults == {}
