"""Forms, metrics and the log of the web server, as curl, aiohttp and Chromium see them."""

import hashlib
import json
import os
import re
import socket
import subprocess
import urllib.parse

import aiohttp
import pytest

from conftest import run_async, wait_until
from web_server import Web, curl, status


@pytest.fixture
def web(binary, tmp_path):
    server = Web(binary, tmp_path)
    yield server
    assert server.stop() == 0


@pytest.fixture
def start(binary, tmp_path):
    """start("--log-format", "json", …) starts a server; it is ended after the test."""
    servers = []

    def make(*options):
        folder = tmp_path / str(len(servers))
        folder.mkdir()
        servers.append(Web(binary, folder, options))
        return servers[-1]

    yield make
    assert [server.stop() for server in servers] == [0] * len(servers)


def described(name, content, type="text/plain", filename=None, safe=None):
    content = content.encode() if isinstance(content, str) else content
    return {"name": name, "filename": filename, "safe_filename": safe if safe is not None else filename, "type": type,
            "length": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_forms_of_curl(web):
    big = (web.files / "big.bin").read_bytes()
    (web.folder / "empty").write_bytes(b"")
    (web.folder / 'quo"te.txt').write_bytes(b"\r\n--------------------------\r\n")
    answer = json.loads(curl(
        "-F", "note=hello", "-F", f"big=@{web.files}/big.bin;type=image/png", "-F", f"none=@{web.folder}/empty",
        "-F", f'odd=@"{web.folder}/quo\\"te.txt"', "-F", f"path=@{web.files}/app.js;filename=../../etc/passwd",
        "-F", f"text=<{web.files}/app.js", web.url + "/upload"))
    assert answer["parts"] == [
        described("note", "hello"), described("big", big, "image/png", "big.bin"), described("none", b"", "application/octet-stream", "empty"),
        described("odd", b"\r\n--------------------------\r\n", "text/plain", 'quo"te.txt', "quote.txt"),
        described("path", b"plain", "application/octet-stream", "../../etc/passwd", "passwd"), described("text", "plain")]
    answer = json.loads(curl("--data-urlencode", "a=one & two", "-d", "b=", web.url + "/upload"))
    assert answer["parts"] == [described("a", "one & two"), described("b", "")]
    chunked = json.loads(curl("-H", "Transfer-Encoding: chunked", "-F", f"big=@{web.files}/big.bin", web.url + "/upload"))
    assert chunked["parts"][0]["sha256"] == hashlib.sha256(big).hexdigest()


def test_forms_of_aiohttp(web):
    async def body():
        # Quoting them, it writes names that are no ASCII as name*=, which forms may not (RFC 7578 clause 4.2).
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("größe", "zwölf")
        blob = os.urandom(100_000)
        form.add_field("file", blob, filename="ein bild.png", content_type="image/png")
        form.add_field("json", b'{"a": 1}', content_type="application/json")
        async with aiohttp.ClientSession() as session:
            async with session.post(web.url + "/upload", data=form) as response:
                assert response.status == 200
                parts = (await response.json())["parts"]
            assert [part["sha256"] for part in parts] == [hashlib.sha256(b).hexdigest() for b in ("zwölf".encode(), blob, b'{"a": 1}')]
            assert urllib.parse.unquote(parts[0]["name"]) == "größe" and parts[1]["name"] == "file"
            assert parts[1]["type"] == "image/png" and urllib.parse.unquote(parts[1]["filename"]) == "ein bild.png"
            assert parts[2]["type"] == "application/json"
            async with session.post(web.url + "/upload", data={"a": "b c", "d": "é"}) as response:
                assert (await response.json())["parts"] == [described("a", "b c"), described("d", "é")]

    run_async(body())


def test_forms_of_chromium(web, chromium):
    page = chromium.new_page()
    page.goto(web.url + "/json")
    parts = page.evaluate("""async () => {
        const form = new FormData();
        form.append('a"b\\n%41', 'größe\\nzwei');
        form.append('file', new File([new Uint8Array([0, 13, 10, 45, 45])], '../we"ird\\\\x.bin', { type: 'application/x-test' }));
        form.append('empty', new Blob([]), '');
        const multipart = await (await fetch('/upload', { method: 'POST', body: form })).json();
        const simple = await (await fetch('/upload', { method: 'POST', body: new URLSearchParams({ 'ä b': '1&2' }) })).json();
        return [...multipart.parts, ...simple.parts];
    }""")
    page.close()
    assert [part["name"] for part in parts] == ['a"b\r\n%41', "file", "empty", "ä b"]
    assert parts[0]["sha256"] == hashlib.sha256("größe\r\nzwei".encode()).hexdigest()
    assert parts[1] == described("file", b"\0\r\n--", "application/x-test", parts[1]["filename"], "x.bin")
    assert parts[3] == described("ä b", "1&2")


@pytest.mark.parametrize("type,body,expected", [
    ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n", 400),
    ("multipart/form-data; boundary=b", b"--b\r\n\r\n\r\n1\r\n--b--", 400), ("multipart/form-data", b"--b--", 400), ("text/plain", b"", 415),
    ("multipart/form-data; boundary=b", b"x" * 2000, 413),
    ("multipart/form-data; boundary=b", b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 101 + b"--b--", 413),
])
def test_broken_forms_are_refused_with_a_reason(web, type, body, expected):
    answer = web.raw(b"POST /upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                     % (type.encode(), len(body), body))
    assert answer.startswith(b"HTTP/1.1 %d " % expected), answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"] == "invalid_form"


def figures(server):
    """By name and labels, with the rules of the text format checked on the way."""
    text = curl(server.url + "/metrics").decode()
    assert text.endswith("\n")
    values, typed = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            assert name not in typed and kind in ("counter", "gauge", "histogram")
            typed[name] = kind
        elif not line.startswith("# HELP "):
            match = re.fullmatch(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)', line)
            assert match, line
            assert match[1] in typed or re.sub("_(bucket|sum|count)$", "", match[1]) in typed, line
            values[match[1] + (match[2] or "")] = float(match[3])
    return values


def test_metrics(web):
    curl(web.url + "/json"), curl(web.url + "/files/big.bin"), curl("-X", "DELETE", web.url + "/json")
    wait_until(lambda: figures(web)["waldo_http_sent_bytes_total"] > 3_000_000, "the bytes are counted", timeout=5)
    # The connections of before may still be told to have ended.
    values = wait_until(lambda: (values := figures(web))["waldo_http_connections"] == 1 and values, "its own connection alone")
    assert values['waldo_http_requests_total{method="DELETE",status="4xx"}'] == 1
    assert values['waldo_http_requests_total{method="GET",status="2xx"}'] >= 3
    assert values['waldo_http_request_duration_seconds_bucket{le="+Inf"}'] == values["waldo_http_request_duration_seconds_count"] >= 4
    body = wait_until(lambda: (body := json.loads(curl(web.url + "/metrics.json")))["waldo_http_connections"]["values"] == [{"value": 1}] and body,
                      "its own connection alone")
    assert body["waldo_http_connections"] == {"type": "gauge", "help": "Connections that are open", "values": [{"value": 1}]}
    assert body["waldo_http_request_duration_seconds"]["values"][0]["buckets"][-1]["le"] == 10


def test_the_log_for_people(start):
    server = start("--access-log", "--log-redact")
    curl(server.url + "/text/a%0Ab?secret=1"), status(server.url + "/fail")
    logged = lambda: [line for line in server.log.read_text().splitlines() if " web" in line]
    wait_until(lambda: len(logged()) >= 3, "three lines")
    lines = logged()
    assert len(lines) == 3, lines
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info web#1: request client=127\.0\.0\.0/24 method=GET path=/text/a%0Ab status=200 bytes=\d+ '
        r'ms=[\d.]+ id=\w+', lines[0]), lines[0]
    assert " error web: a handler failed error=" in lines[1] and "path=/fail" in lines[1] and "127.0.0.1" not in lines[1]
    assert "status=500" in lines[2]


def test_the_log_for_machines(start):
    server = start("--access-log", "--log-format", "json")
    curl(server.url + "/json")
    wait_until(lambda: '"path"' in server.log.read_text(), "a line of the request")
    line = json.loads(server.log.read_text().splitlines()[-1])
    assert line["level"] == "info" and line["subject"] == "web" and line["connection"] == 1 and line["client"] == "127.0.0.1"
    assert line["method"] == "GET" and line["path"] == "/json" and line["status"] == 200 and line["bytes"] == 28 and line["ms"] >= 0


def test_requests_make_no_lines_unless_asked_for(start):
    for server in (start(), start("--access-log", "--log-level", "warning")):
        curl(server.url + "/json")
        assert " info " not in server.log.read_text()


def test_a_log_that_nobody_reads_holds_up_nobody(binary):
    process = subprocess.Popen([binary, "bench", "web", "--port", "0", "--access-log"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        port = int(re.search(rb":(\d+)/", process.stdout.readline()).group(1))
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
                connection.sendall(b"GET /json HTTP/1.1\r\nHost: x\r\n\r\n" * 999 + b"GET /json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                answers = b"".join(iter(lambda: connection.recv(65536), b""))
            assert answers.count(b"HTTP/1.1 200 OK") == 1000
    finally:
        process.terminate()
        errors = process.communicate(timeout=20)[1]
    # What a pipe holds, and the end of the line at which it was full.
    assert 70_000 >= len(errors) > 30_000 and errors.startswith(b"20")
