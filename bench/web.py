"""The web server beside others: requests, WebSocket messages, broadcasts, and the memory of connections that say nothing."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request

from parts import RUNS, SECONDS, show, table
from processes import BINARY, HERE, PYTHON, ROOT, Failed, Process, free_port, median, progress

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.access("/usr/sbin/nginx", os.X_OK) else None)
CONFIGURATION = """daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/log crit; user root;
events {{ worker_connections 20000; }}
http {{ access_log off; keepalive_requests 1000000000; keepalive_timeout 75s; open_file_cache max=100 inactive=60s;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}; default_type application/json; }} }}
"""
NAMES = {"waldo": "Waldo", "floor": "C loop, no protocol (floor)", "nginx": "nginx, a small file", "aiohttp": "aiohttp", "uvicorn": "uvicorn, uvloop, httptools"}
LOADS = {
    "json": ("small JSON GET", ["--mode", "json"], "/json"),
    "json16": ("the same, 16 pipelined", ["--mode", "json", "--depth", "16"], "/json"),
    "echo": ("WebSocket echo, 64 B", ["--mode", "echo"], "/ws"),
    "echo16": ("the same, 16 under way", ["--mode", "echo", "--depth", "16"], "/ws"),
    "idle": ("WebSocket echo, 64 B, 10,000 idle beside", ["--mode", "echo"], "/ws"),
    "fanout": ("200 B to 5,000 WebSockets", ["--mode", "fanout", "--connections", "5000", "--size", "150"], "/broadcast"),
}
MANY = {"waldo": 10_000, "nginx": 10_000}  # idle connections; 2,000 where each takes a millisecond to open


def ratio(value, ours):
    return "–" if value is None or not ours else f"{value / ours:.2f}×"


class WebServer(Process):
    def __init__(self, kind, folder, is_secure=False):
        self.kind, self.port = kind, free_port()
        self.url = f"{'https' if is_secure else 'http'}://127.0.0.1:{self.port}"
        if kind == "nginx":
            (folder / "json").write_text('{"hello":"world","number":3}')
            (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=self.port))
            super().__init__([NGINX, "-c", str(folder / "nginx.conf"), "-e", str(folder / "log")])
            time.sleep(0.5)
            children = pathlib.Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
            if not children:
                raise Failed("nginx has no worker")
            self.measured = int(children[0])
            return
        commands = {
            "waldo": [BINARY, "bench", "web", "--port", str(self.port)] + (["--tls-self-signed"] if is_secure else []), "floor": [str(folder / "floor"), str(self.port)],
            "aiohttp": [PYTHON, "-u", str(HERE / "peers/web_aiohttp.py"), str(self.port)],
            "uvicorn": [PYTHON, "-u", str(HERE / "peers/web_uvicorn.py"), str(self.port)],
        }
        super().__init__(commands[kind])
        self.line(20)


class Load(Process):
    """`waldo bench web-load`: one line of figures at its end; `opened` when all connections are open."""

    def __init__(self, server, options, path, seconds, warm_up=1):
        super().__init__([BINARY, "bench", "web-load", *options, "--url", server.url + path, "--seconds", str(seconds),
                          "--warm-up", str(warm_up), "--pid", str(server.measured)])
        self.seconds = seconds + warm_up

    def opened(self):
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            self.log.seek(0)
            if "are open" in self.log.read():
                return
            if self.child.poll() is not None:
                break
            time.sleep(0.1)
        raise Failed("connections were not opened")

    def figures(self):
        found = json.loads(self.line(self.seconds + 120))
        if found["wrong"] or found["ended"] or "per_cpu_second" not in found:
            raise Failed(f"wrong answers or closed connections: {found}")
        return found


def load_run(kind, case, folder):
    _, options, path = LOADS[case]
    with WebServer(kind, folder) as server:
        if case != "idle":
            with Load(server, options, path, SECONDS) as load:
                return load.figures()
        beside = ["--mode", "idle", "--websocket", "--connections", str(10_000)]
        with Load(server, beside, path, SECONDS + 60, 0) as crowd:
            crowd.opened()
            with Load(server, options, path, SECONDS) as load:
                return load.figures()


def memory_run(kind, is_web_socket, is_secure, folder):
    """kB for each idle connection, and MB before them."""
    count = 3000 if is_secure else MANY.get(kind, 2000)
    options = ["--mode", "idle", "--connections", str(count)] + (["--websocket"] if is_web_socket else [])
    with WebServer(kind, folder, is_secure) as server:
        time.sleep(0.5)
        before = server.resident()
        with Load(server, options, "/ws" if is_web_socket else "/json", 60, 0) as load:
            load.opened()
            time.sleep(1.5)
            return {"each": (server.resident() - before) / count, "base": before / 1024}


def attempt(runs, what, measure):
    try:
        runs.append(measure())
        progress(f"{what}: {runs[-1]}")
    except (Failed, json.JSONDecodeError) as failure:
        progress(f"{what}: {failure}")


def kinds_of(case):
    kinds = [kind for kind in NAMES if kind != "nginx" or NGINX and case in ("json", "json16", "memory")]
    return [kind for kind in kinds if not (case == "memory" and kind == "floor" or case == "idle" and kind in ("aiohttp", "uvicorn"))]


def loads(folder):
    rows = []
    for case, (title, _, _) in LOADS.items():
        runs = {kind: [] for kind in kinds_of(case)}
        for _ in range(RUNS):
            for kind in runs:
                attempt(runs[kind], f"{case}, {kind}", lambda: load_run(kind, case, folder))
        ours = None
        for kind, found in runs.items():
            rate, speed = median([run["per_cpu_second"] for run in found]), median([run["per_second"] for run in found])
            busy = median([run["server_cpu"] / run["seconds"] for run in found])
            ours = rate if kind == "waldo" else ours
            rows.append([title, NAMES[kind], show(rate, 0) + ("" if kind == "waldo" else f" ({ratio(rate, ours)})"),
                         show(rate and 1e6 / rate, 2), show(speed, 0), show(busy and 100 * busy, 0, " %"),
                         " ".join(f"{run['per_cpu_second'] / 1000:.0f}k" for run in found)])
    return table(["load", "server", "a CPU-second", "µs each", "a second", "server's CPU", "each run"], rows)


def memory(folder):
    rows = []
    for title, is_web_socket, is_secure in (("HTTP, kept alive", False, False), ("WebSocket", True, False), ("HTTP over TLS", False, True)):
        runs = {kind: [] for kind in kinds_of("memory") if not (is_web_socket and kind == "nginx" or is_secure and kind != "waldo")}
        for _ in range(max(1, RUNS - 1)):
            for kind in runs:
                attempt(runs[kind], f"memory, {kind}", lambda: memory_run(kind, is_web_socket, is_secure, folder))
        ours = None
        for kind, found in runs.items():
            each, base = median([run["each"] for run in found]), median([run["base"] for run in found])
            ours = each if kind == "waldo" else ours
            rows.append([title, NAMES[kind], str(3000 if is_secure else MANY.get(kind, 2000)),
                         show(each, 2) + ("" if kind == "waldo" else f" ({ratio(each, ours)})"), show(base, 1)])
    return table(["idle connections", "server", "number", "kB each", "MB without any"], rows)


def alone():
    """MB of a server that has answered one request: examples/WebServer as one static executable, in whose memory no library is but what it uses."""
    progress("building examples/WebServer as one static executable")
    build = ["swift", "build", "-c", "release", "--scratch-path", ".build/static", "-Xswiftc", "-static-executable", "--product", "WebServer"]
    subprocess.run(build, check=True, capture_output=True, timeout=1800, cwd=ROOT)
    port, found = free_port(), []
    for _ in range(RUNS):
        with Process([str(ROOT / ".build/static/release/WebServer"), str(port)]) as server:
            time.sleep(0.5)
            urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=5).read()
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            found.append(int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024)
    return median(found)


def web():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        subprocess.run(["clang", "-O2", "-o", str(folder / "floor"), str(HERE / "peers/web_floor.c"), "-lcrypto"], check=True, timeout=60)
        text, rest = loads(folder), memory(folder)
    return ("## Web server\n\n`waldo bench web-load` on the same machine, 100 connections, every answer checked; CPU of the server's process alone, by its own clock, "
            "during the seconds that count. One thread each. The C loop (`peers/web_floor.c`) reads and sends and knows no protocol: it is what the kernel takes, "
            "and no server of one `recv` and one `send` can be faster. In brackets: times ours.\n\n" + text
            + "\nResident memory with idle connections less that without, over their number.\n\n" + rest
            + f"\nA web server by itself (`examples/WebServer`, one static executable): {show(alone(), 1)} MB resident.\n")
