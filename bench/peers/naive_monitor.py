"""A teleoperation monitor as one writes it in Python at first: psutil's tables of connections and processes every 0.1 s, a ZeroMQ subscriber,
aiohttp's WebSockets, the state to every client every 0.5 s. Input devices are left out: there are none where it is measured.
usage: naive_monitor.py PORT"""

import asyncio
import collections
import datetime
import json
import os
import sys
import time

import aiohttp
import psutil
import zmq
import zmq.asyncio
from aiohttp import web

INTERVAL, UPDATE = 0.1, 0.5
ZMQ_PORTS = {"control_commands": 5555, "state_feedback": 5556, "video_stream": 5557, "telemetry": 5558, "joystick": 5559}
CONTROL = ("control_commands", "joystick")
STUN_AND_TURN = {3478, 19302, 5349}
MEDIA = range(10_000, 60_000)
LOOKS_LIKE_WEBRTC = ("chrome", "chromium", "firefox", "electron", "janus", "mediasoup", "gst-launch")

clients = set()
flows = {name: collections.deque(maxlen=1000) for name in ZMQ_PORTS}
state = {"teleoperation_active": False, "operators": [], "confidence": 0, "connections": {"webrtc": 0, "zmq": 0, "input": 0, "network": 0},
         "metrics": {"bandwidth_mbps": 0, "command_rate_hz": 0}, "reasons": [], "timestamp": None}
operator_seen = {"name": "unknown"}


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


async def broadcast(kind, data):
    text = json.dumps({"type": kind, "data": data, "timestamp": now()})
    for client in list(clients):
        try:
            await client.send_str(text)
        except (ConnectionError, RuntimeError):
            clients.discard(client)


async def subscribe(context, name, port):
    subscriber = context.socket(zmq.SUB)
    subscriber.setsockopt(zmq.SUBSCRIBE, b"")
    subscriber.connect(f"tcp://127.0.0.1:{port}")
    while True:
        parts = await subscriber.recv_multipart()
        flows[name].append(time.monotonic())
        try:
            message = json.loads(parts[-1])
            operator_seen["name"] = message.get("operator") or message.get("user") or operator_seen["name"]
        except (ValueError, AttributeError):
            pass


def rate(name):
    recent = [at for at in flows[name] if at > time.monotonic() - 1]
    return (len(recent) - 1) / (recent[-1] - recent[0]) if len(recent) >= 3 and recent[-1] > recent[0] else 0


def find_webrtc():
    """Connections, and whether a program that looks like WebRTC runs."""
    count = 0
    for connection in psutil.net_connections(kind="inet"):
        if connection.pid == os.getpid():
            continue
        if connection.type == 2 and connection.laddr and connection.laddr.port in MEDIA:
            count += 1
        elif connection.raddr and connection.raddr.port in STUN_AND_TURN:
            count += 1
    names = [process.info["name"] or "" for process in psutil.process_iter(["name"])]
    return count, any(word in name for name in names for word in LOOKS_LIKE_WEBRTC)


async def detect():
    last_bytes, last_at, last_update, bandwidth = 0, 0, 0, 0
    while True:
        begin = time.monotonic()
        webrtc, _ = find_webrtc()
        active = [name for name in flows if flows[name] and begin - flows[name][-1] < 1]
        command_rate = sum(rate(name) for name in CONTROL)
        if begin - last_at >= 1:
            counters = psutil.net_io_counters()
            total = counters.bytes_recv + counters.bytes_sent
            bandwidth = 8e-6 * (total - last_bytes) / (begin - last_at) if last_at else 0
            last_bytes, last_at = total, begin
        scores, reasons = [], []
        if webrtc:
            scores.append(90)
            reasons.append(f"WebRTC: {webrtc} connections")
        if command_rate > 10 and any(name in CONTROL for name in active):
            scores.append(85)
            reasons.append(f"ZMQ: {command_rate:.1f} Hz")
        confidence = 0.7 * max(scores) + 0.3 * sum(scores) / len(scores) if scores else 0
        was_active, is_active = state["teleoperation_active"], confidence >= 70
        state.update(teleoperation_active=is_active, operators=[operator_seen["name"]] if is_active else [], confidence=round(confidence, 2),
                     connections={"webrtc": webrtc, "zmq": len(active), "input": 0, "network": 0},
                     metrics={"bandwidth_mbps": bandwidth, "command_rate_hz": command_rate}, reasons=reasons, timestamp=now())
        if is_active != was_active:
            await broadcast("state_update", {"state": state})
            await broadcast("teleoperation_started" if is_active else "teleoperation_stopped", {"operators": state["operators"], "reasons": reasons})
        elif begin - last_update >= UPDATE:
            await broadcast("state_update", {"state": state})
            last_update = begin
        await asyncio.sleep(max(0, INTERVAL - (time.monotonic() - begin)))


async def serve_client(request):
    client = web.WebSocketResponse(heartbeat=30)
    await client.prepare(request)
    await client.send_json({"type": "initial_state", "data": state, "timestamp": now()})
    clients.add(client)
    try:
        async for message in client:
            if message.type == aiohttp.WSMsgType.TEXT and json.loads(message.data).get("type") == "ping":
                await client.send_json({"type": "pong", "timestamp": now()})
    finally:
        clients.discard(client)
    return client


async def status(_):
    return web.json_response({"status": "running", "state": state, "connected_clients": len(clients)})


async def health(_):
    return web.json_response({"status": "healthy", "timestamp": now()})


async def main():
    context = zmq.asyncio.Context()
    tasks = [asyncio.create_task(subscribe(context, name, port)) for name, port in ZMQ_PORTS.items()] + [asyncio.create_task(detect())]
    application = web.Application()
    application.add_routes([web.get("/ws", serve_client), web.get("/status", status), web.get("/health", health)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
    print("ready", flush=True)
    await asyncio.gather(*tasks)


asyncio.run(main())
