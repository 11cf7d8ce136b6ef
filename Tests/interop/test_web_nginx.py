"""nginx in front of the web server, as people who run a fleet put it: HTTP, WebSocket, events; TLS ends there; by TCP and by a Unix-domain socket."""

import itertools
import json
import os
import socket
import subprocess

import pytest
import websockets

from conftest import run_async, wait_until
from web_server import Web, curl, status

CONFIGURATION = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; client_max_body_size 8m;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream tcp {{ server 127.0.0.1:{port}; keepalive 8; }}
  upstream unix {{ server unix:{unix}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto https;
    }}
  }}
}}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture(params=["tcp", "unix"])
def front(binary, tmp_path, request):
    web = Web(binary, tmp_path, ["--trust", "127.0.0.1"])
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path, port=web.port, unix=web.unix, front=port, upstream=request.param))
    # Its workers are another user's, who may not read a folder of pytest's.
    nginx = subprocess.Popen(["nginx", "-c", configuration, "-p", tmp_path, "-g", "user root;"], stderr=subprocess.PIPE)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0 or nginx.poll() is not None, "nginx listens")
    assert nginx.poll() is None, nginx.stderr.read()
    yield web, f"http://127.0.0.1:{port}"
    nginx.terminate()
    nginx.wait(10)
    assert web.stop() == 0


def test_nginx_in_front(front):
    web, url = front
    assert json.loads(curl(url + "/json"))["hello"] == "world"
    big = (web.files / "big.bin").read_bytes()
    assert curl(url + "/files/big.bin") == big
    assert curl("-r", "5-9", url + "/files/big.bin") == big[5:10]
    assert curl("--data-binary", "@-", url + "/echo", data=big[:900_000]) == big[:900_000]
    assert curl("-H", "Transfer-Encoding: chunked", "--data-binary", "@-", url + "/echo", data=big[:900_000]) == big[:900_000]
    assert status("--data-binary", f"@{web.files}/big.bin", url + "/echo") == 413
    assert status(url + "/none") == 404
    assert curl("-I", url + "/json").startswith(b"HTTP/1.1 200")
    # What the proxy says of the client is believed: it came by TLS.
    assert b"strict-transport-security" in curl("-i", url + "/json").lower()
    with subprocess.Popen(["curl", "-sN", "-m", "10", url + "/events"], stdout=subprocess.PIPE) as events:
        assert sum(1 for _ in itertools.islice((line for line in events.stdout if b"data: " in line), 5)) == 5
        events.kill()

    async def body():
        async with websockets.connect(url.replace("http", "ws") + "/ws", max_size=None) as client:
            for message in ["hi", os.urandom(1_000_000), "é" * 70_000]:
                await client.send(message)
                assert await client.recv() == message
        assert client.close_code == 1000
        async with websockets.connect(url.replace("http", "ws") + "/broadcast") as client:
            assert [json.loads(await client.recv())["tick"] for _ in range(3)]

    run_async(body())


def test_a_stranger_is_not_believed(binary, tmp_path):
    web = Web(binary, tmp_path, ["--trust", "10.0.0.0/8"])
    assert b"strict-transport-security" not in curl("-i", "-H", "X-Forwarded-Proto: https", web.url + "/json").lower()
    assert web.stop() == 0
