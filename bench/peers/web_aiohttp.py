"""aiohttp with what `waldo bench web` has of `/json`, `/ws` and `/broadcast`. usage: web_aiohttp.py PORT"""

import asyncio
import json
import sys

from aiohttp import web

sockets = set()


async def answer(_):
    return web.Response(body=json.dumps({"hello": "world", "number": 3}).encode(), content_type="application/json")


async def echo(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def listen(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    sockets.add(socket)
    try:
        async for _ in socket:
            pass
    finally:
        sockets.discard(socket)
    return socket


async def broadcast():
    count = 0
    while True:
        count += 1
        text = json.dumps({"tick": count, "padding": "x" * 170})
        for socket in list(sockets):
            if not socket.closed:
                await socket.send_str(text)
        await asyncio.sleep(0.1)


async def main():
    application = web.Application()
    application.add_routes([web.get("/json", answer), web.get("/ws", echo), web.get("/broadcast", listen)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1]), backlog=4096).start()
    print("ready", flush=True)
    await broadcast()


asyncio.run(main())
