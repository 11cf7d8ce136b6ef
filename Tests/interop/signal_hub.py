"""A signalling server of the plainest kind: it repeats every message to everybody else. Says where it listens, and how each client ended."""

import asyncio
import sys

from websockets.asyncio.server import broadcast, serve

LIMIT = 256 << 10


async def main(address, port):
    everybody = set()

    async def repeat(connection):
        everybody.add(connection)
        try:
            async for message in connection:
                # Nobody waits for a slow one, and nobody's end is another's.
                broadcast(everybody - {connection}, message)
        except Exception:
            pass
        finally:
            everybody.discard(connection)
            print(f"closed {connection.close_code}", flush=True)

    async with serve(repeat, address, port, max_size=LIMIT, compression=None, ping_interval=None, close_timeout=1) as server:
        host, port = server.sockets[0].getsockname()[:2]
        print(f"listening ws://{f'[{host}]' if ':' in host else host}:{port}", flush=True)
        await asyncio.get_running_loop().create_future()


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
