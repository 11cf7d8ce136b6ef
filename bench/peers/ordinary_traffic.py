"""What a robot's computer exchanges with the network when nobody drives it.
usage: ordinary_traffic.py outside OWN                       servers: web (80, 443, 8080), DNS, NTP, QUIC (443), a WireGuard peer (51820)
       ordinary_traffic.py robot OWN OTHER                   the robot's: web on 8080, ssh on 22, and whatever it fetches
       ordinary_traffic.py visitors OWN OTHER MONITOR_PORT   ssh, downloads from the robot, scrapes of the monitor, four WebSocket clients
BENCH_TRAFFIC: only these of downloads requests film443 film8080 quic wireguard dns ntp keys uploads scrapes clients"""

import asyncio
import os
import random
import sys
import urllib.request

import websockets

BLOCK = os.urandom(16384)


# Servers

async def web(reader, writer):
    """GET /BYTES/BITS_A_SECOND, again and again on one connection."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            size, rate = map(int, head.split()[1].strip(b"/").split(b"/"))
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n".encode())
            while size > 0:
                writer.write(BLOCK[:size])
                size -= len(BLOCK)
                await writer.drain()
                await asyncio.sleep(8 * len(BLOCK) / rate)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def shell(reader, writer):
    """Every key comes back encrypted, and now and then a screenful."""
    try:
        while await reader.read(4096):
            writer.write(os.urandom(36))
            if random.random() < 0.1:
                writer.write(os.urandom(random.randint(200, 4000)))
    except ConnectionError:
        writer.close()


class Answers(asyncio.DatagramProtocol):
    def __init__(self, answer):
        self.answer = answer

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.answer(self.transport, data, address)


def dns(transport, data, address):
    transport.sendto(data[:2] + b"\x81\x80" + os.urandom(random.randint(40, 300)), address)


def ntp(transport, data, address):
    transport.sendto(b"\x24\x02" + data[2:], address)


def quic(transport, data, address):
    """A segment of film for every request; what else comes is an acknowledgement. Short headers without a connection number, as to a browser."""
    if data[0] & 0x80:
        transport.sendto(bytes([0xC0 | random.getrandbits(4)]) + b"\0\0\0\1" + os.urandom(1195), address)
    elif len(data) > 60:
        async def send():
            for number in range(random.randint(300, 1500)):
                transport.sendto(bytes([0x40 | random.getrandbits(5)]) + os.urandom(random.randint(1150, 1250)), address)
                if number % 4 == 3:
                    await asyncio.sleep(0.004)
        asyncio.ensure_future(send())


def tunnel(transport, data, address):
    """The far end of a tunnel: handshakes, and something for most of what comes."""
    if data[0] == 1:
        transport.sendto(b"\2\0\0\0" + os.urandom(88), address)
    elif len(data) > 32 and random.random() < 0.9:
        transport.sendto(b"\4\0\0\0" + os.urandom(12) + os.urandom(16 * random.randint(5, 12)), address)


# Clients

async def fetch(host, port, size, rate, times=1, pause=0.0):
    reader, writer = await asyncio.open_connection(host, port)
    try:
        for _ in range(times):
            writer.write(f"GET /{size}/{rate} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            await reader.readuntil(b"\r\n\r\n")
            left = size
            while left > 0:
                data = await reader.read(min(left, 65536))
                if not data:
                    raise ConnectionError("the answer is too short")
                left -= len(data)
            await asyncio.sleep(pause)
    finally:
        writer.close()


async def downloads(host, port):
    while True:
        await asyncio.sleep(random.uniform(20, 60))
        await fetch(host, port, random.randint(5_000_000, 40_000_000), random.randint(5_000_000, 40_000_000))


async def short_requests(host):
    while True:
        await asyncio.sleep(random.expovariate(5))
        await fetch(host, 443, random.randint(300, 20_000), 10_000_000)


async def film(host, port):
    """Segments of four seconds, each in a burst."""
    while True:
        bits = random.choice((800_000, 1_500_000, 3_000_000, 6_000_000))
        await fetch(host, port, bits // 2, random.choice((8, 20, 50)) * 1_000_000, random.randint(15, 45), 3.5)
        await asyncio.sleep(random.uniform(20, 60))


class Ear(asyncio.DatagramProtocol):
    heard = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, _):
        self.heard += 1


class QuicEar(Ear):
    number = b""

    def datagram_received(self, data, _):
        self.heard += 1
        if self.heard % 4 == 0:
            self.transport.sendto(bytes([0x40 | random.getrandbits(5)]) + self.number + os.urandom(random.randint(18, 30)))


async def small_datagrams(host, port, make, pause):
    """A new port for each, as resolvers have it."""
    while True:
        await asyncio.sleep(pause())
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Ear, remote_addr=(host, port))
        transport.sendto(make())
        await asyncio.sleep(0.2)
        transport.close()


async def quic_film(host):
    while True:
        transport, ear = await asyncio.get_running_loop().create_datagram_endpoint(QuicEar, remote_addr=(host, 443))
        ear.number = os.urandom(8)
        for _ in range(2):
            transport.sendto(bytes([0xC0 | random.getrandbits(4)]) + b"\0\0\0\1\x08" + ear.number + os.urandom(1186))
            await asyncio.sleep(0.05)
        for _ in range(random.randint(1, 15)):
            transport.sendto(bytes([0x40 | random.getrandbits(5)]) + ear.number + os.urandom(120))
            await asyncio.sleep(random.uniform(1, 5))
        transport.close()
        await asyncio.sleep(random.uniform(1, 30))


async def wireguard(host):
    """A tunnel with a shell in it: keys, pauses, a handshake every two minutes, an empty message when nothing else goes."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Ear, local_addr=("0.0.0.0", 51820), remote_addr=(host, 51820))
    counter, handshake = 0, 0.0
    while True:
        if loop.time() - handshake > 120:
            transport.sendto(b"\1\0\0\0" + os.urandom(144))
            handshake = loop.time()
        for _ in range(random.randint(1, 200)):
            counter += 1
            transport.sendto(b"\4\0\0\0\x11\x22\x33\x44" + counter.to_bytes(8, "little") + os.urandom(16 * random.randint(5, 9)))
            await asyncio.sleep(random.expovariate(12))
        await asyncio.sleep(random.uniform(1, 25))
        transport.sendto(b"\4\0\0\0\x11\x22\x33\x44" + counter.to_bytes(8, "little") + os.urandom(16))


async def keys(host):
    while True:
        reader, writer = await asyncio.open_connection(host, 22)
        for _ in range(random.randint(50, 600)):
            writer.write(os.urandom(36))
            await asyncio.wait_for(reader.read(8192), 5)
            await asyncio.sleep(random.expovariate(6))
        writer.close()
        await asyncio.sleep(random.uniform(2, 30))


async def scrapes(host, port):
    def one(path, accept):
        with urllib.request.urlopen(urllib.request.Request(f"http://{host}:{port}{path}", headers={"Accept": accept}), timeout=5) as response:
            response.read()

    while True:
        await asyncio.to_thread(one, "/metrics", "text/plain;version=0.0.4")
        await asyncio.to_thread(one, "/status", "*/*")
        await asyncio.sleep(5)


async def watch(host, port):
    async with websockets.connect(f"ws://{host}:{port}/ws", compression=None) as client:
        async for _ in client:
            pass
    raise ConnectionError("the monitor closed a connection")


async def main():
    role, own, *rest = sys.argv[1:]
    loop, tasks = asyncio.get_running_loop(), []
    if role == "outside":
        for port in (80, 443, 8080):
            await asyncio.start_server(web, own, port)
        for port, answer in ((53, dns), (123, ntp), (443, quic), (51820, tunnel)):
            await loop.create_datagram_endpoint(lambda answer=answer: Answers(answer), local_addr=(own, port))
        kinds = {}
    elif role == "robot":
        await asyncio.start_server(web, own, 8080)
        await asyncio.start_server(shell, own, 22)
        other = rest[0]
        kinds = {
            "downloads": lambda: [downloads(other, 80)], "requests": lambda: [short_requests(other)], "film443": lambda: [film(other, 443)],
            "film8080": lambda: [film(other, 8080)], "quic": lambda: [quic_film(other), quic_film(other)], "wireguard": lambda: [wireguard(other)],
            "dns": lambda: [small_datagrams(other, 53, lambda: os.urandom(2) + b"\1\0\0\1" + os.urandom(random.randint(20, 60)), lambda: random.expovariate(2))],
            "ntp": lambda: [small_datagrams(other, 123, lambda: b"\x23" + bytes(47), lambda: 16)],
        }
    else:
        other, port = rest[0], int(rest[1])
        kinds = {"keys": lambda: [keys(other)], "uploads": lambda: [downloads(other, 8080)], "scrapes": lambda: [scrapes(other, port)],
                 "clients": lambda: [watch(other, port) for _ in range(4)]}
    chosen = os.environ.get("BENCH_TRAFFIC", "").replace(",", " ").split() or list(kinds)
    tasks += [task for name in kinds if name in chosen for task in kinds[name]()]
    print("ready", flush=True)
    await asyncio.gather(*tasks, asyncio.sleep(1e6))


asyncio.run(main())
