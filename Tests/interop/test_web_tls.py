"""TLS of the web server against curl, Python's ssl, OpenSSL's s_client; and against what is no TLS."""

import re
import socket
import ssl
import subprocess
import time

import aiohttp
import pytest
import websockets

from conftest import run_async, wait_until
from web_server import Web, curl, status


class Authority:
    """A certificate authority of a test."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.file = folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=test authority",
                      "-keyout", folder / "ca.key", "-out", self.file, "-days", "2")

    def issue(self, file, *names, key="ec"):
        """A certificate and its key for these names, in one file."""
        made = self.folder / "made"
        options = ["-newkey", "rsa:2048"] if key == "rsa" else ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        text = ",".join(("IP:" if re.match(r"[\d.]+$", name) else "DNS:") + name for name in names)
        self._openssl("req", *options, "-nodes", "-subj", f"/CN={names[0]}", "-addext", f"subjectAltName={text}",
                      "-keyout", f"{made}.key", "-out", f"{made}.csr")
        self._openssl("x509", "-req", "-in", f"{made}.csr", "-CA", self.file, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
                      "-days", "2", "-copy_extensions", "copy", "-out", f"{made}.pem")
        written = file.with_suffix(".new")
        written.write_bytes(open(f"{made}.pem", "rb").read() + open(f"{made}.key", "rb").read())
        written.rename(file)

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture(params=["ec", "rsa"])
def web(binary, tmp_path, authority, request):
    certificate = tmp_path / "server.pem"
    authority.issue(certificate, "localhost", "127.0.0.1", key=request.param)
    server = Web(binary, tmp_path, ["--tls-certificate", certificate, "--tls-key", certificate])
    yield server
    assert server.stop() == 0


def s_client(port, *arguments, data=b""):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *arguments], input=data, capture_output=True, timeout=20)
    return (done.stdout + done.stderr).decode(errors="replace")


def test_curl_and_python(web, authority):
    ca = ["--cacert", authority.file]
    big = (web.files / "big.bin").read_bytes()
    for version in (["--tlsv1.3"], ["--tls-max", "1.2"]):
        assert curl(*ca, *version, web.url + "/files/big.bin") == big
        assert curl(*ca, *version, "--data-binary", "@-", web.url + "/echo", data=big[:900_000]) == big[:900_000]
        assert curl(*ca, *version, "-H", "Expect: 100-continue", "-d", "x", web.url + "/echo") == b"x"
        assert curl(*ca, *version, "-r", "100-199", web.url + "/files/big.bin") == big[100:200]
    # Many requests over one connection.
    assert curl(*ca, *[f"{web.url}/text/{n}" for n in range(50)], "-w", "%{num_connects}").count(b"!\n0") == 49
    assert b"strict-transport-security: max-age" in curl(*ca, "-i", web.url + "/json").lower()
    wrong = subprocess.run(["curl", "-s", "--cacert", authority.file, f"https://localhost.localdomain:{web.port}/json", "--resolve",
                            f"localhost.localdomain:{web.port}:127.0.0.1"], capture_output=True)
    assert wrong.returncode == 60
    assert subprocess.run(["curl", "-s", *ca, "--tls-max", "1.1", web.url], capture_output=True).returncode == 35

    async def body():
        context = ssl.create_default_context(cafile=authority.file)
        async with websockets.connect(f"wss://localhost:{web.port}/ws", ssl=context, max_size=None) as client:
            for message in ["hi", b"\0" * 1_000_000, "é" * 70_000]:
                await client.send(message)
                assert await client.recv() == message
        async with aiohttp.ClientSession() as session:
            async with session.post(web.url + "/echo", data=big[:500_000], ssl=context) as answer:
                assert await answer.read() == big[:500_000]
            async with session.ws_connect(web.url + "/ws", ssl=context) as client:
                await client.send_str("from aiohttp")
                assert await client.receive_str() == "from aiohttp"

    run_async(body())


def test_s_client(web, authority):
    ca = ["-CAfile", authority.file, "-verify_return_error"]
    text = s_client(web.port, *ca, "-alpn", "h2,http/1.1")
    assert "Verify return code: 0 (ok)" in text and "ALPN protocol: http/1.1" in text
    assert "no application protocol" in s_client(web.port, *ca, "-alpn", "h2")
    assert re.search("wrong version|unsupported protocol|alert protocol version|no protocols available", s_client(web.port, "-tls1_1"))
    # With one hello a client would have the server reckon for long.
    assert "handshake failure" in s_client(web.port, *ca, "-tls1_3", "-groups", "ffdhe8192")
    # RFC 7627 and 9325: no renegotiation; the connection ends rather than to begin again.
    assert "RENEGOTIATING" in (text := s_client(web.port, *ca, "-tls1_2", data=b"R\n")) and re.search("no renegotiation|handshake failure|write:errno|closed", text)
    # A key update in the middle of a connection (RFC 8446 clause 4.6.3).
    request = b"GET /text/after HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert "Hello, after!" in s_client(web.port, *ca, "-tls1_3", "-ign_eof", data=request)
    # Resumption by ticket.
    session = web.folder / "session"
    s_client(web.port, *ca, "-tls1_2", "-sess_out", str(session))
    assert "Reused, TLSv1.2" in s_client(web.port, *ca, "-tls1_2", "-sess_in", str(session))


def test_changed_certificate_is_shown_and_connections_go_on(binary, tmp_path, authority):
    certificate = tmp_path / "server.pem"
    authority.issue(certificate, "first.example")
    server = Web(binary, tmp_path, ["--tls-certificate", certificate, "--tls-key", certificate])
    names = lambda: re.search(r"subject=CN\s*=\s*(\S+)", s_client(server.port)).group(1)
    assert names() == "first.example"
    context = ssl.create_default_context(cafile=authority.file)
    context.check_hostname = False
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port))) as old:
        certificate.write_text("half written")
        time.sleep(1.2)
        assert names() == "first.example"
        authority.issue(certificate, "second.example")
        wait_until(lambda: names() == "second.example", "the new certificate is shown", timeout=5)
        old.sendall(b"GET /text/old HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Hello, old!" in old.recv(65536)
    assert server.stop() == 0


def test_each_name_has_its_certificate_behind_a_proxy_that_says_who_asks(binary, tmp_path, authority):
    options = ["--trust", "127.0.0.1", "--proxy-header", "--access-log"]
    for name in ("first.example", "second.example"):
        file = tmp_path / f"{name}.pem"
        authority.issue(file, name)
        options += ["--tls-certificate", file, "--tls-key", file]
    server = Web(binary, tmp_path, options)
    context = ssl.create_default_context(cafile=authority.file)
    for name in ("first.example", "second.example"):
        plain = socket.create_connection(("127.0.0.1", server.port))
        plain.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 5000 443\r\n")
        with context.wrap_socket(plain, server_hostname=name) as client:
            client.sendall(b"GET /text/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := client.recv(65536):
                answer += piece
            assert b"Hello, x!" in answer
    wait_until(lambda: server.log.read_text().count("client=192.0.2.7") == 2, "both are logged by name")
    assert server.stop() == 0


def test_own_certificate_has_the_fingerprint_that_is_said(binary, tmp_path):
    server = Web(binary, tmp_path, ["--tls-self-signed"])
    said = re.search(r"fingerprint is (\S+)", server.log.read_text()).group(1)
    shown = ssl.get_server_certificate(("127.0.0.1", server.port))
    seen = subprocess.run(["openssl", "x509", "-noout", "-fingerprint", "-sha256"], input=shown, capture_output=True, text=True).stdout
    assert seen.strip().split("=")[1] == said
    own = tmp_path / "own.pem"
    own.write_text(shown)
    for name in ("localhost", "127.0.0.1"):
        assert status("--cacert", own, f"https://{name}:{server.port}/json") == 200
    assert server.stop() == 0


def test_unusable_files_are_said(binary, tmp_path):
    (tmp_path / "bad.pem").write_text("nonsense")
    for options, expected in [(["--tls-certificate", tmp_path / "bad.pem", "--tls-key", tmp_path / "bad.pem"], "bad.pem"),
                              (["--tls-certificate", "/nowhere.pem", "--tls-key", "/nowhere.pem"], "No such file"),
                              (["--tls-certificate", "a"], "expected as many of both")]:
        done = subprocess.run([binary, "bench", "web", "--port", "0", *options], capture_output=True, text=True, timeout=10)
        assert done.returncode == 2 and expected in done.stderr, done


def client_hello(context):
    outgoing = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def test_strangers_disturb_nobody(binary, tmp_path):
    """Plain HTTP, garbage, half handshakes, cut connections: all end, and the others are served."""
    server = Web(binary, tmp_path, ["--tls-self-signed"])
    assert b"use https://" in server.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    hello = client_hello(context)
    held = []
    for cut in [1, 5, 6, 50, len(hello) - 1]:
        held.append(socket.create_connection(("127.0.0.1", server.port)))
        held[-1].sendall(hello[:cut])
    for data in [b"\x16" + b"\xff" * 5000, hello + b"\x17\x03\x03\x00\x05hello", hello * 3, b"\x15\x03\x03\x00\x02\x02\x28", b"\x80\x2e" + b"\0" * 46]:
        assert b"Hello" not in server.raw(data, timeout=2)
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(hello)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    assert status("-k", server.url + "/json") == 200
    # A handshake that does not go on is ended within the time for heads.
    for connection in held:
        connection.settimeout(20)
        while connection.recv(100):
            pass
        connection.close()
    # A connection that is cut in the middle of a record, and one that ends without a goodbye.
    for ending in (b"", b"\x17\x03\x03\x40\x00abc"):
        plain = socket.create_connection(("127.0.0.1", server.port))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        tls.write(b"GET /text/x HTTP/1.1\r\nHost: x\r\n\r\nGET /te")
        plain.sendall(outgoing.read() + ending)
        plain.close()
    assert status("-k", server.url + "/json") == 200
    assert server.stop() == 0
