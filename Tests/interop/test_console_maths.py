"""The console's pure modules, in Chromium: there is no other JavaScript engine that the project asks for."""

import functools
import http.server
import threading

import pytest

from conftest import ROOT

PLACES = {"/console/": ROOT / "console", "/tests/": ROOT / "Tests" / "console"}


class Files(http.server.SimpleHTTPRequestHandler):
    extensions_map = {".js": "text/javascript", ".html": "text/html"}

    def translate_path(self, path):
        for prefix, folder in PLACES.items():
            if path.startswith(prefix) and ".." not in path:
                return str(folder / path[len(prefix):])
        return str(ROOT / "no such file")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def modules(chromium):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=str(ROOT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    context = chromium.new_context()
    page = context.new_page()
    page.route("**/blank", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto(f"http://127.0.0.1:{server.server_port}/blank")
    yield page
    context.close()
    server.shutdown()
    server.server_close()


def test_the_pure_modules_of_the_console(modules):
    results = modules.evaluate("""async () => {
        const { tests } = await import('/tests/maths.js');
        return Object.fromEntries(Object.entries(tests).map(([name, test]) => {
            try { test(); return [name, null]; } catch (error) { return [name, String(error.message ?? error)]; }
        }));
    }""")
    assert len(results) >= 15
    assert {name: failure for name, failure in results.items() if failure} == {}
