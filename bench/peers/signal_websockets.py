"""A signalling server as one writes it with Python's websockets: each message to every other. usage: signal_websockets.py PORT"""

import asyncio
import sys

import websockets

clients = set()


async def serve(client):
    clients.add(client)
    try:
        async for message in client:
            for other in list(clients):
                if other is not client:
                    await other.send(message)
    except websockets.ConnectionClosed:
        pass
    finally:
        clients.discard(client)


async def main():
    async with websockets.serve(serve, "127.0.0.1", int(sys.argv[1]), compression=None, max_size=256 << 10):
        print("ready", flush=True)
        await asyncio.Future()


asyncio.run(main())
