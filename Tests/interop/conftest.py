"""Fixtures of the interop suite: the binary under test, its servers, Chromium, network namespaces.

Each test starts its own `waldo` on ports that the kernel chooses. When a test fails, its report carries the log and the
metrics of every server that it started."""

import asyncio
import http.server
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import sync_playwright

from marionette import Firefox

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
VIEWER_SCRIPT = (HERE / "viewer.js").read_text()


def wait_until(condition, what, timeout=15.0, interval=0.1):
    """The first true value of condition(); fails the test after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            pytest.fail(f"after {timeout:g} s still not: {what} (last value: {value!r})")
        time.sleep(interval)


def run_async(coroutine, timeout=60.0):
    """Runs a coroutine to its end on a thread of its own: Playwright keeps this thread's event loop."""
    outcome = {}

    def body():
        try:
            outcome["value"] = asyncio.run(asyncio.wait_for(coroutine, timeout))
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(timeout + 10)
    if thread.is_alive():
        pytest.fail(f"a coroutine did not end within {timeout + 10:g} s")
    if isinstance(outcome.get("error"), TimeoutError):
        pytest.fail(f"a coroutine did not end within {timeout:g} s")
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


class Response:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text

    def __repr__(self):
        return f"<{self.status} {self.text[:200]!r}>"


class Source:
    """A `waldo bench source` of this test, or another program that serves in its way."""

    def __init__(self, binary, directory, options, namespace=None, address="127.0.0.1", words=("bench", "source")):
        self.options = [str(option) for option in options]
        self.address = address
        self.log_path = directory / f"source-{time.monotonic_ns()}.log"
        prefix = ["ip", "netns", "exec", namespace] if namespace else []
        command = prefix + [binary, *words, "--port", "0"] + self.options
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        match = wait_until(
            lambda: re.search(r"http://[^:]+:(\d+)/", self.log) or self.process.poll() is not None,
            "the source says its address", timeout=10)
        if match is True:
            pytest.fail(f"`{' '.join(command)}` ended with {self.process.returncode}: {self.log}")
        self.port = int(match.group(1))
        self.url = f"http://{address}:{self.port}"

    @property
    def log(self):
        return self.log_path.read_text(errors="replace")

    def request(self, method, path, body=None, content_type=None, timeout=5.0):
        request = urllib.request.Request(self.url + path, method=method, data=body.encode() if isinstance(body, str) else body)
        if content_type:
            request.add_header("Content-Type", content_type)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return Response(response.status, response.headers, response.read().decode())
        except urllib.error.HTTPError as error:
            return Response(error.code, error.headers, error.read().decode())

    def offer(self, sdp):
        return self.request("POST", "/whep", sdp, "application/sdp")

    def metrics(self):
        lines = [line for line in self.request("GET", "/metrics").text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def stop(self):
        """Ends it as Ctrl+C does; answers what was wrong with its end, or None."""
        if self.process.poll() is not None:
            return f"ended by itself with {self.process.returncode}"
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            return "did not end within 10 s of SIGTERM"
        return f"ended with {status} after SIGTERM" if status else None


@pytest.fixture(scope="session")
def binary():
    path = os.environ.get("WALDO_BINARY")
    if not path:
        built = subprocess.run([ROOT / "scripts" / "build", "--path"], capture_output=True, text=True, check=True).stdout.strip()
        path = f"{built}/waldo"
    if not os.access(path, os.X_OK):
        pytest.exit(f"no program at {path}: build it, or set WALDO_BINARY", returncode=2)
    return path


@pytest.fixture
def source(binary, tmp_path, request):
    """source("--codec", "vp8", …) starts a server; all are ended, and their ends checked, after the test."""
    servers = request.node.servers = []

    def start(*options, **where):
        server = Source(binary, tmp_path, options, **where)
        servers.append(server)
        return server

    yield start
    faults = [f"{server.options}: {fault}\n{server.log}" for server in servers if (fault := server.stop())]
    assert not faults, "\n".join(faults)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.when != "call" or not report.failed:
        return
    for client in getattr(item, "clients", []):
        report.sections.append((" ".join(client.options), client.log))
    for server in getattr(item, "servers", []):
        title = f"waldo bench source {' '.join(server.options)}"
        report.sections.append((f"{title}: log", server.log))
        try:
            figures = "\n".join(f"{name} {value:g}" for name, value in server.metrics().items())
        except Exception as error:
            figures = f"no answer: {error} (process: {server.process.poll()})"
        report.sections.append((f"{title}: metrics", figures))


# Chromium


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as driver:
        yield driver


def launch_chromium(playwright, *arguments, program="/usr/bin/chromium"):
    return playwright.chromium.launch(
        executable_path=program,
        args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage",
              "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream", *arguments])


@pytest.fixture(scope="session")
def chromium(playwright):
    browser = launch_chromium(playwright)
    yield browser
    browser.close()


class Page:
    """What a page with viewer.js does in every browser."""

    def run(self, script, argument=None):
        """The value of a function expression in the page; `viewer` is at hand there."""
        raise NotImplementedError

    def connect(self, **options):
        return self.run("options => viewer.connect(options)", options)

    def state(self):
        return self.run("() => viewer.pc.connectionState")

    def video(self):
        return self.run("() => viewer.videoFigures()")

    def wait_for_frames(self, count=10, timeout=15.0):
        """Waits until `count` more frames have been shown."""
        wanted = self.video()["shown"] + count
        return wait_until(lambda: (figures := self.video())["shown"] >= wanted and figures, f"{count} more frames shown", timeout)


class Viewer(Page):
    """A page that has viewer.js, on the server's own origin; without a server on a local one that needs no network."""

    def __init__(self, page, server=None):
        self.page, self.server = page, server
        self.errors = []
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        if not server:
            page.route("http://127.0.0.1:1/", lambda route: route.fulfill(body="<body>", content_type="text/html"))
        page.goto(server.url + "/metrics" if server else "http://127.0.0.1:1/")
        page.evaluate(VIEWER_SCRIPT)

    def run(self, script, argument=None):
        return self.page.evaluate(script, argument)


@pytest.fixture
def viewer(chromium):
    """viewer(server) or viewer() opens a page; all are closed after the test."""
    contexts = []

    def open_page(server=None, browser=chromium):
        context = browser.new_context()
        contexts.append(context)
        return Viewer(context.new_page(), server)

    yield open_page
    for context in contexts:
        context.close()


# Firefox, in a network of the tests' own


def ip(*arguments, check=True):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=10)
    if check and done.returncode:
        pytest.fail(f"`ip {' '.join(arguments)}`: {done.stderr.strip()} (the tests make network namespaces: run them as root)")


class Network:
    """A namespace joined to this one by a pair of virtual cables, with addresses of the documentation range (RFC 5737)."""

    near, far = "203.0.113.1", "203.0.113.2"

    def __init__(self):
        mark = os.getpid() % 100_000
        self.namespace = f"waldo{mark}"
        self.cable = f"wldn{mark}"
        try:
            ip("netns", "add", self.namespace)
            ip("link", "add", self.cable, "type", "veth", "peer", "name", "far0", "netns", self.namespace)
            ip("address", "add", f"{self.near}/30", "dev", self.cable)
            ip("link", "set", self.cable, "up")
            for words in (["address", "add", f"{self.far}/30", "dev", "far0"], ["link", "set", "far0", "up"], ["link", "set", "lo", "up"]):
                ip("-n", self.namespace, *words)
        except BaseException:
            self.remove()
            raise

    def cut(self):
        """Everything is lost on the way, in both directions, and nobody is told: each end sends to a card that is not there."""
        for words in self._neighbours():
            ip(*words, "lladdr", "02:00:00:00:00:01", "nud", "permanent")

    def mend(self):
        for words, card in zip(self._neighbours(), (self._card("-n", self.namespace, "far0"), self._card(self.cable))):
            ip(*words, "lladdr", card, "nud", "reachable")

    def _neighbours(self):
        replace = ["neighbour", "replace"]
        return [replace + [self.far, "dev", self.cable], ["-n", self.namespace] + replace + [self.near, "dev", "far0"]]

    @staticmethod
    def _card(*where):
        *prefix, device = where
        shown = subprocess.run(["ip", *prefix, "link", "show", device], capture_output=True, text=True, timeout=10, check=True)
        return re.search(r"link/ether (\S+)", shown.stdout).group(1)

    def remove(self):
        ip("link", "delete", self.cable, check=False)
        ip("netns", "delete", self.namespace, check=False)


@pytest.fixture(scope="session")
def network():
    if os.geteuid() != 0:
        pytest.fail("network namespaces need root: run ./waldo test, which asks for it, or these tests as root")
    made = Network()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def near_page(network):
    """The address of an empty page that Firefox's namespace reaches."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><body>")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer((network.near, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{network.near}:{server.server_port}/"
    server.shutdown()


@pytest.fixture(scope="module")
def firefox(network, tmp_path_factory):
    browser = Firefox(tmp_path_factory.mktemp("firefox"), network.namespace)
    yield browser
    browser.stop()
