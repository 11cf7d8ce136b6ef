"""The console's usage screen, in browsers."""

import json
import re
import time

import pytest

from conftest import run_async, wait_until
from station import SMALL, Operator, station  # noqa: F401
from test_up_browsers import ARTEFACTS, LAYOUT_FAULTS, SIZES, console  # noqa: F401
from usage_support import far_station, monitor, usage, watched  # noqa: F401


def nav(page):
    return page.page.get_by_role("link", name="Usage")


def text(page, selector):
    return page.get(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")


def test_the_screen_shows_who_drives(far_station, console, watched):
    here = far_station(*watched.options, "--monitor")
    watcher = console(here).ready()
    watcher.until("!document.querySelector('nav a[data-screen=\"usage\"]').hidden", "the way to the screen is there")
    nav(watcher).click()
    driver = console(here).ready()
    driver.take_control()
    name = driver.get("waldo.lease.holder.name")
    assert name

    def shows():
        # Without commands the lease would be free after a while.
        driver.page.keyboard.press("w")
        return text(watcher, "[data-signal='waldo'] b") == "100" and text(watcher, ".verdict strong") == "Teleoperated"

    wait_until(shows, "the screen says that somebody drives", 30)
    assert "Since " in text(watcher, ".verdict .who span")
    alerts = json.loads(here.request("GET", "/api/usage/alerts").text)
    assert isinstance(alerts["alerts"], list)
    assert re.fullmatch(r"(9\d|100) %", text(watcher, ".verdict .sure b"))
    watcher.until(f"document.querySelector('.operators')?.textContent.includes({json.dumps(name)})", "the name is shown")
    wait_until(lambda: driver.page.keyboard.press("w") or f"{name}drives rover" in text(watcher, ".operators"), "and the role", 20)
    assert watched.roles()[name] == "driver"
    watcher.until(f"document.querySelector('.happened').textContent.includes({json.dumps(name + ' came')})", "what happened is listed")
    assert watcher.faults == [] and driver.faults == []
    assert watcher.get("waldo.errors") == []


def test_the_monitor_goes_and_comes_back(far_station, console, watched, monitor):
    here = far_station(*watched.options)
    first = monitor(watched)
    page = console(here).ready()
    page.until("waldo.usage.state === 'live'", "the monitor is found")
    nav(page).click()
    page.until("document.querySelector('.verdict strong')?.textContent === 'Not teleoperated' || document.querySelector('.verdict strong')?.textContent === 'Teleoperated'", "it is shown")
    first.kill()
    first.wait(5)
    page.until("document.querySelector('#screen .heading .note').textContent.includes('does not answer since')", "its end is said")
    assert text(page, ".verdict strong") == "Not known"
    assert text(page, "[data-signal='webrtc'] b") == "–" and text(page, "[data-signal='webrtc'] small") == "not known"
    assert nav(page).is_visible(), "who is on the screen stays"
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.page.screenshot(path=ARTEFACTS / "usage-gone.png")
    monitor(watched)
    page.until("waldo.usage.state === 'live' && waldo.usage.connects === 2", "it is found again")
    page.until("document.querySelector('.verdict strong').textContent !== 'Not known'", "and shown")
    # Asking the station for what it shows may fall into the moment of the end.
    assert [fault for fault in page.faults if "503" not in fault] == []


def test_without_a_monitor_there_is_no_screen(station, console, watched):
    here = station(*SMALL, *watched.options)
    page = console(here).ready()
    page.until("waldo.usage.state === 'gone'", "it was asked for")
    assert not nav(page).is_visible()
    page.page.goto(page.page.url.split("#")[0] + "#/usage")
    page.until("document.querySelector('#screen .heading .note')?.textContent.includes('waldo monitor')", "how to start one is said")
    assert page.faults == [], "that there is none is no error"


def test_words_from_outside_are_text(far_station, console, watched, monitor):
    evil = "<img src=x onerror=alert(1)>"
    here = far_station(*watched.options)
    monitor(watched)
    page = console(here).ready()
    page.until("waldo.usage.state === 'live'", "the monitor is found")
    nav(page).click()

    async def drive():
        async with Operator(here, evil) as mallory:
            await mallory.acquire()
            await mallory.keep(until=lambda: evil in usage(here)["operators"], what="the name is known")
            await mallory.keep(1)
        return True

    assert run_async(drive(), 60)
    page.until(f"waldo.usage.events.some(each => each.words.includes({json.dumps(evil)}))", "the name is in the events")
    page.until("document.querySelector('.happened')?.textContent.includes('<img')", "and in the list, as text")
    assert page.get("document.querySelectorAll('#screen img').length") == 0
    assert page.get("waldo.errors") == [] and page.faults == []


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_the_usage_screen_fits(far_station, console, watched, scheme):
    here = far_station(*watched.options, "--monitor")
    driver = console(here).ready()
    driver.take_control()
    page = console(here, color_scheme=scheme).ready()
    page.until("waldo.usage.state === 'live'", "the monitor is found")
    nav(page).click()
    page.page.bring_to_front()
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline:
        driver.page.keyboard.press("w")
        time.sleep(0.3)
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    for width, height in SIZES:
        page.page.set_viewport_size({"width": width, "height": height})
        wait_until(lambda: page.get(f"innerWidth === {width} && innerHeight === {height}"), "the window has its size")
        driver.page.keyboard.press("w")
        time.sleep(0.7)
        page.page.screenshot(path=ARTEFACTS / f"usage-{width}x{height}-{scheme}.png")
        assert page.page.evaluate(LAYOUT_FAULTS) == []
        assert page.get("document.getElementById('screen').scrollWidth <= document.getElementById('screen').clientWidth")
    # The list of what happened can be scrolled by keyboard.
    page.page.locator(".happened").focus()
    assert page.get("document.activeElement.className") == "happened"
    assert page.faults == []


def test_firefox_shows_it_too(station, watched, network, firefox):
    here = station(*SMALL, *watched.options, "--monitor", "--bind", f"{network.near},127.0.0.1", "--insecure", "--advertise", network.near,
                   address=network.near)
    firefox.resize(1280, 720)
    firefox.open(here.url + "/")
    until = lambda expression, what: wait_until(lambda: firefox.run(f"() => Boolean(window.waldo && ({expression}))"), what, 30)  # noqa: E731
    until("window.waldo.usage.state === 'live'", "the monitor is found")
    firefox.click("nav a[data-screen='usage']")
    until("document.querySelector('.verdict strong')?.textContent !== ''", "the state is shown")
    until("window.waldo.usage.samples > 8", "figures come")
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    (ARTEFACTS / "usage-firefox.png").write_bytes(firefox.screenshot())
    assert firefox.run("() => window.waldo.errors") == []
    firefox.open("about:blank")
