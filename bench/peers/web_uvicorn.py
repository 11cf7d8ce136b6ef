"""uvicorn with uvloop, httptools and websockets, and what `waldo bench web` has of `/json`, `/ws` and `/broadcast`. usage: web_uvicorn.py PORT"""

import asyncio
import json
import sys

import uvicorn

sockets = set()


async def application(scope, receive, send):
    if scope["type"] == "http":
        body = json.dumps({"hello": "world", "number": 3}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [
            (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        listens = scope["path"] == "/broadcast"
        if listens:
            sockets.add(send)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})
        finally:
            sockets.discard(send)
    else:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})


async def broadcast():
    count = 0
    while True:
        count += 1
        text = json.dumps({"tick": count, "padding": "x" * 170})
        for send in list(sockets):
            try:
                await send({"type": "websocket.send", "text": text})
            except Exception:  # whoever it was is gone: its own task says so
                sockets.discard(send)
        await asyncio.sleep(0.1)


async def main():
    server = uvicorn.Server(uvicorn.Config(
        application, "127.0.0.1", int(sys.argv[1]), loop="uvloop", http="httptools", ws="websockets", ws_ping_interval=None,
        ws_per_message_deflate=False, access_log=False, log_level="error", backlog=4096, timeout_keep_alive=75))
    ticker = asyncio.create_task(broadcast())
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await serving
    ticker.cancel()


if __name__ == "__main__":
    import uvloop
    uvloop.run(main())
