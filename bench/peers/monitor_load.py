"""What stands beside a monitor while it is measured.
usage: monitor_load.py publisher HZ            messages of a robot's control on port 5555 (ZeroMQ)
       monitor_load.py sockets COUNT           that many open TCP sockets in this process, which say nothing
       monitor_load.py clients PORT COUNT      WebSocket clients of a monitor"""

import asyncio
import json
import resource
import socket
import sys
import time

import websockets
import zmq


def publish(rate):
    publisher = zmq.Context().socket(zmq.PUB)
    publisher.bind("tcp://127.0.0.1:5555")
    print("ready", flush=True)
    at = time.monotonic()
    while True:
        publisher.send(json.dumps({"type": "move", "operator": "bench", "vx": 0.1, "vy": 0.0, "at": at}).encode())
        at += 1 / rate
        time.sleep(max(0, at - time.monotonic()))


def hold(count):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100) if hard > 0 else count + 100, hard))
    listener = socket.create_server(("127.0.0.1", 7000), backlog=4096)
    sockets = []
    while len(sockets) < count - 1:
        sockets += [socket.create_connection(("127.0.0.1", 7000)), listener.accept()[0]]
    print("ready", flush=True)
    time.sleep(1e6)


async def attend(port, count):
    async def one(joined):
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws", compression=None, open_timeout=20) as client:
            await client.recv()
            joined.set_result(None)
            async for _ in client:
                pass
        sys.exit("monitor_load: the monitor closed a connection")

    places = [asyncio.get_running_loop().create_future() for _ in range(count)]
    tasks = [asyncio.create_task(one(place)) for place in places]
    await asyncio.wait([asyncio.gather(*places), *tasks], return_when=asyncio.FIRST_COMPLETED)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


def main():
    wanted, *numbers = sys.argv[1:]
    {"publisher": publish, "sockets": hold, "clients": lambda *words: asyncio.run(attend(*words))}[wanted](*map(int, numbers))


main()
