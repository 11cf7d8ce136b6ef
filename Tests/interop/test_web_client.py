"""The HTTP and WebSocket client against other programs: aiohttp and websockets as servers, plain and over TLS, and through a proxy."""

import asyncio
import base64
import gzip
import json
import os
import ssl
import subprocess
import time

import aiohttp.web
import pytest
import websockets

from conftest import run_async


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A private CA (ca.pem), and a certificate of it for localhost and 127.0.0.1 (server.pem, server.key)."""
    folder = tmp_path_factory.mktemp("ca")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA", "-days", "2")
    openssl(folder, "req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl(folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem")
    return folder


def server_context(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem", authority / "server.key")
    return context


class Client:
    """`waldo bench get` and `waldo bench ws`; what they print."""

    def __init__(self, binary, authority):
        self.binary = binary
        self.environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        self.trust = ("--tls-ca", authority / "ca.pem")

    async def run(self, *arguments, data=b"", expects=0, environment=None):
        process = await asyncio.create_subprocess_exec(
            self.binary, "bench", *map(str, arguments), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env={**self.environment, **(environment or {})})
        out, error = await asyncio.wait_for(process.communicate(data), 40)
        assert process.returncode == expects, (process.returncode, out[-500:], error.decode())
        return out if expects == 0 else error.decode()

    async def get(self, url, *arguments, **more):
        """Status, fields and body of what is printed."""
        out = await self.run("get", url, *self.trust, *arguments, **more)
        head, _, body = out.partition(b"\n\n")
        lines = head.decode().split("\n")
        return int(lines[0].split()[0]), dict(line.lower().split(": ", 1) for line in lines[1:]), body[:-1]


@pytest.fixture
def client(binary, authority):
    return Client(binary, authority)


BIG = os.urandom(3_000_000)


def make_application(seen):
    routes = aiohttp.web.RouteTableDef()

    @routes.get("/json")
    async def _(request):
        seen.append(request.transport.get_extra_info("peername"))
        return aiohttp.web.json_response({"hello": "world"})

    @routes.get("/big")
    async def _(request):
        return aiohttp.web.Response(body=BIG)

    @routes.get("/chunked")
    async def _(request):
        response = aiohttp.web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, len(BIG), 77_777):
            await response.write(BIG[start:start + 77_777])
        await response.write_eof()
        return response

    @routes.get("/gzip")
    async def _(request):
        if "gzip" not in request.headers["Accept-Encoding"]:
            return aiohttp.web.Response(text="identity")
        return aiohttp.web.Response(body=gzip.compress(BIG), headers={"Content-Encoding": "gzip"})

    @routes.get("/bomb")
    async def _(request):
        return aiohttp.web.Response(body=gzip.compress(gzip.compress(bytes(100_000_000)))[:-20], headers={"Content-Encoding": "gzip"})

    @routes.route("*", "/echo")
    async def _(request):
        body = await request.read()
        return aiohttp.web.Response(body=body, headers={"X-Method": request.method, "X-Mine": request.headers.get("X-Mine", "none")})

    @routes.get("/redirect/{count}")
    async def _(request):
        count = int(request.match_info["count"])
        raise aiohttp.web.HTTPFound(f"/redirect/{count - 1}" if count else "/json")

    @routes.post("/see-other")
    async def _(request):
        raise aiohttp.web.HTTPSeeOther("/echo")

    @routes.post("/keep")
    async def _(request):
        raise aiohttp.web.HTTPPermanentRedirect("/echo")

    @routes.get("/events")
    async def _(request):
        response = aiohttp.web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(5):
            await response.write(f"id: {number}\ndata: {time.monotonic()}\n\n".encode())
            await asyncio.sleep(0.05)
        return response

    @routes.get("/slow")
    async def _(request):
        await asyncio.sleep(30)

    @routes.get("/short")
    async def _(request):
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nnot all")
        request.transport.close()

    application = aiohttp.web.Application(client_max_size=64 << 20)
    application.add_routes(routes)
    return application


class Serving:
    """aiohttp's server on a free port."""

    def __init__(self, context=None):
        self.context, self.seen = context, []

    async def __aenter__(self):
        self.runner = aiohttp.web.AppRunner(make_application(self.seen), shutdown_timeout=0.1)
        await self.runner.setup()
        site = aiohttp.web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=self.context)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.context else 'http'}://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_):
        await self.runner.cleanup()


@pytest.mark.parametrize("secure", [False, True])
def test_bodies_of_aiohttp(client, authority, tmp_path, secure):
    async def body():
        async with Serving(server_context(authority) if secure else None) as server:
            assert (await client.get(server.url + "/json"))[2] == b'{"hello": "world"}'
            for path, options in (("/big", ()), ("/chunked", ()), ("/gzip", ("--gzip",))):
                status, fields, _ = await client.get(server.url + path, "--output", tmp_path / "out", *options)
                assert status == 200 and "content-encoding" not in fields
                assert (tmp_path / "out").read_bytes() == BIG, path
            assert (await client.get(server.url + "/gzip"))[2] == b"identity"
            (tmp_path / "in").write_bytes(BIG)
            status, fields, _ = await client.get(
                server.url + "/echo", "--body", f"@{tmp_path}/in", "--method", "PUT", "--field", "X-Mine: 1", "--output", tmp_path / "out")
            assert (tmp_path / "out").read_bytes() == BIG and fields["x-method"] == "put" and fields["x-mine"] == "1"
            assert (await client.get(server.url + "/echo", "--method", "HEAD"))[2] == b""
            assert (await client.get(server.url + "/missing"))[0] == 404

    run_async(body())


def test_redirections_and_events(client):
    async def body():
        async with Serving() as server:
            assert (await client.get(server.url + "/redirect/4"))[2] == b'{"hello": "world"}'
            assert "more than 5 redirections" in await client.run("get", server.url + "/redirect/9", expects=1)
            assert (await client.get(server.url + "/redirect/1", "--redirects", "0"))[0] == 302
            status, fields, text = await client.get(server.url + "/see-other", "--body", "hello")
            assert (status, fields["x-method"], text) == (200, "get", b"")
            status, fields, text = await client.get(server.url + "/keep", "--body", "hello")
            assert (status, fields["x-method"], text) == (200, "post", b"hello")
            assert (await client.get(server.url + "/events"))[2].count(b"data: ") == 5

    run_async(body())


def test_what_goes_wrong_is_said(client, authority):
    async def body():
        async with Serving() as server, Serving(server_context(authority)) as secure:
            for url, options, expected in [
                (server.url + "/slow", ("--timeout", "1"), "waited 1 s for the response"),
                (server.url + "/short", (), "the connection ended inside the response"),
                (server.url + "/bomb", ("--gzip",), "no whole gzip data"),
                ("http://127.0.0.1:1/", (), "Connection refused"),
                ("http://no-such-host.invalid/", (), "no address is known for this name"),
                (secure.url + "/json", (), "not trusted"),
                (server.url.replace("http", "https") + "/json", client.trust, "TLS failed"),
                (secure.url.replace("https", "http") + "/json", (), "127.0.0.1"),
            ]:
                error = await client.run("get", url, *options, expects=1)
                assert expected in error, (url, error)

    run_async(body())


@pytest.mark.parametrize("secure", [False, True])
def test_connections_are_kept(client, authority, secure):
    async def body():
        async with Serving(server_context(authority) if secure else None) as server:
            start = time.monotonic()
            out = await client.run("get", server.url + "/json", *client.trust, "--repeat", "200")
            assert b"200 requests, 1 connections" in out
            assert len(set(server.seen)) == 1
            print(f"{(time.monotonic() - start) * 1000:.0f} ms")

    run_async(body())


class Proxy:
    """Forwards the absolute form, and tunnels by CONNECT; remembers what it was asked."""

    def __init__(self, credentials=None):
        self.asked = []
        self.expected = credentials and "Basic " + base64.b64encode(credentials.encode()).decode()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def serve(self, reader, writer):
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split("\r\n")[0].split()
            fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            self.asked.append((method, target))
            if self.expected and fields.get("Proxy-Authorization") != self.expected:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
                return
            if method == "CONNECT":
                host, port = target.rsplit(":", 1)
                other = await asyncio.open_connection(host, int(port))
                writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            else:
                host, _, path = target.removeprefix("http://").partition("/")
                name, _, port = host.partition(":")
                other = await asyncio.open_connection(name, int(port or 80))
                other[1].write(f"{method} /{path} HTTP/1.1\r\nHost: {fields['Host']}\r\nConnection: close\r\n"
                               f"Accept-Encoding: identity\r\n\r\n".encode())
            await asyncio.gather(self.pump(reader, other[1]), self.pump(other[0], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except (OSError, NotImplementedError):
            writer.close()


def test_proxies(client, authority):
    async def body():
        async with Serving() as plain, Serving(server_context(authority)) as secure, Proxy("me:se cret") as proxy:
            url = f"http://me:se%20cret@127.0.0.1:{proxy.port}"
            for server in (plain, secure):
                assert (await client.get(server.url + "/json", "--proxy", url))[2] == b'{"hello": "world"}'
            authority_of_secure = secure.url.removeprefix("https://")
            assert proxy.asked == [("GET", plain.url + "/json"), ("CONNECT", authority_of_secure)]
            error = await client.run("get", secure.url, *client.trust, "--proxy", f"127.0.0.1:{proxy.port}", expects=1)
            assert "opens no tunnel" in error and "407" in error
            # The environment's is for others than this machine.
            environment = {"http_proxy": url, "https_proxy": url}
            proxy.asked.clear()
            await client.get(plain.url + "/json", environment=environment)
            assert proxy.asked == []
            await client.run("get", "http://robot.invalid/", environment={"HTTP_PROXY": url}, expects=1)
            assert proxy.asked == []
            await client.run("get", "http://robot.invalid/", environment=environment, expects=1)
            await client.run("get", "https://robot.invalid/", environment=environment, expects=1)
            assert proxy.asked == [("GET", "http://robot.invalid/"), ("CONNECT", "robot.invalid:443")]
            proxy.asked.clear()
            await client.run("get", "http://robot.invalid/", environment={**environment, "NO_PROXY": "x,.invalid"}, expects=1)
            assert proxy.asked == []

    run_async(body())


# MARK: WebSocket


async def echo(connection):
    async for message in connection:
        if message == "close":
            await connection.close(4001, "as you wish")
        elif message == "big":
            await connection.send("x" * 900_000)
        elif message == "binary":
            await connection.send(b"\x00\xff")
        elif message == "fragments":
            await connection.send(["frag", "men", "ts"])
        elif message == "headers":
            await connection.send(connection.request.headers.get("Authorization", "none"))
        else:
            await connection.send(message)


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize("compress", [False, True])
def test_websockets_as_server(client, authority, secure, compress):
    async def body():
        context = server_context(authority) if secure else None
        async with websockets.serve(echo, "127.0.0.1", 0, ssl=context, subprotocols=["echo"], max_size=8 << 20,
                                    compression="deflate" if compress else None) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"{'wss' if secure else 'ws'}://127.0.0.1:{port}/"
            long = "é" * 300_000
            lines = ["hello", "", "binary", "fragments", "headers", long, "big", "last"]
            out = await client.run(
                "ws", url, *client.trust, "--protocol", "none", "--protocol", "echo", "--field", "Authorization: Bearer x", "--messages", "8",
                *(["--compress"] if compress else []), data="".join(line + "\n" for line in lines).encode())
            got = out.decode().split("\n")
            assert got[0] == "open echo"
            expected = ["text hello", "text ", "binary 00ff", "text fragments", "text Bearer x", "text " + long, "text " + "x" * 900_000,
                        "text last", "closed 1000", ""]
            assert [line[:80] for line in got[1:]] == [line[:80] for line in expected]
            assert got[1:] == expected
            error = await client.run("ws", url, *client.trust, "--protocol", "echo", "--stay", "--limit", "1000", data=b"big\n", expects=1)
            assert error == ""

    run_async(body())


def test_ends_of_websockets(client):
    async def body():
        async with websockets.serve(echo, "127.0.0.1", 0, ping_interval=None) as server:
            url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

            async def talk(*options, data):
                process = await asyncio.create_subprocess_exec(
                    client.binary, "bench", "ws", url, *options, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=client.environment)
                out, _ = await asyncio.wait_for(process.communicate(data), 30)
                return process.returncode, out.decode().split("\n")[:-1]

            assert await talk("--stay", data=b"close\n") == (1, ["open", "closed 4001 as you wish"])
            code, lines = await talk("--stay", "--limit", "1000", data=b"big\n")
            assert code == 1 and lines[1].startswith("closed 1009 ")
            # Pings are sent in silence, and answered.
            code, lines = await talk("--ping", "1", "--stay", data=b"close\n")
            assert code == 1
            server.close()
        async with Serving() as server:
            error = await client.run("ws", server.url.replace("http", "ws") + "/json", expects=1)
            assert "no WebSocket" in error and "200 OK" in error
            assert "Connection refused" in await client.run("ws", "ws://127.0.0.1:1/", expects=1)

    run_async(body())


def test_websockets_through_a_proxy(client, authority):
    async def body():
        async with (websockets.serve(echo, "127.0.0.1", 0) as plain,
                    websockets.serve(echo, "127.0.0.1", 0, ssl=server_context(authority)) as secure, Proxy() as proxy):
            for scheme, server in (("ws", plain), ("wss", secure)):
                port = server.sockets[0].getsockname()[1]
                out = await client.run("ws", f"{scheme}://127.0.0.1:{port}/", *client.trust, "--messages", "1",
                                       "--proxy", f"127.0.0.1:{proxy.port}", data=b"hi\n")
                assert out == b"open\ntext hi\nclosed 1000\n"
                assert proxy.asked.pop() == ("CONNECT", f"127.0.0.1:{port}")

    run_async(body())


def test_against_our_own_server(binary, client, tmp_path):
    process = subprocess.Popen([binary, "bench", "web", "--port", "0", "--unix", tmp_path / "s", "--tls-self-signed"], stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline(), process.stdout.readline()]
        port = int(lines[1].split("/openapi")[0].rsplit(":", 1)[1])

        async def body():
            insecure = ("--tls-insecure",)
            out = await client.run("get", f"https://127.0.0.1:{port}/json", *insecure)
            assert json.loads(out.partition(b"\n\n")[2]) == {"hello": "world", "number": 3}
            assert b"Hello, unix!" in await client.run("get", "http://x/text/unix", "--unix", tmp_path / "s")
            for compress in ([], ["--compress"]):
                out = await client.run("ws", f"wss://127.0.0.1:{port}/ws", *insecure, *compress, "--messages", "2", data=b"one\ntwo\n")
                assert out == b"open\ntext one\ntext two\nclosed 1000\n"
            assert b"Hello" in await client.run("get", "http://x/text/unix", "--unix", tmp_path / "s", "--repeat", "3")

        run_async(body())
    finally:
        process.terminate()
        assert process.wait(15) == 0
