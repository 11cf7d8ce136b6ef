"""The measurements that need no browser. Each answers its section of the report."""

import os
import pathlib
import struct
import subprocess
import tempfile
import time

from processes import HERE, KINDS, Failed, Server, Viewers, median, progress

SECONDS = int(os.environ.get("BENCH_SECONDS", 10))
RUNS = int(os.environ.get("BENCH_RUNS", 3))
CODECS = ("h264", "vp8")


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def show(value, digits=1, unit=""):
    return "–" if value is None else f"{value:.{digits}f}{unit}"


def ratio(value, ours):
    return "–" if value is None or not ours else f"{value / ours:.1f}×"


# Fan-out

def sample(server, viewers):
    figures = viewers.figures()
    values = {"at": time.monotonic(), "packets": figures["packets"], "cpu": server.cpu(), "connected": figures["connected"]}
    if server.kind.startswith("waldo"):
        values["packets"] = server.metrics()["waldo_rtp_packets_sent_total"]
        values["reactor"] = server.thread_cpu("waldo-reactor")
    return values


def fan_out_run(kind, codec, count):
    with Server(kind, codec) as server, Viewers(server, count, SECONDS + 8) as viewers:
        for _ in range(3):
            viewers.figures(20)
        first = sample(server, viewers)
        for _ in range(SECONDS - 1):
            viewers.figures()
        last = sample(server, viewers)
    span = last["at"] - first["at"]
    rates = {name: (last[name] - first[name]) / span for name in first if name not in ("at", "connected")}
    if last["connected"] < count or not rates["packets"]:
        raise Failed(f"{last['connected']:.0f} of {count} connected, {rates['packets']:.0f} packets/s")
    return rates


def fan_out():
    counts = (1, 10, 50)
    rows, ours = [], {}
    for codec in CODECS:
        runs = {}
        for number in range(RUNS):
            for count in counts:
                for kind in KINDS:
                    key = (kind, count)
                    if runs.get(key, ()) is None:
                        continue
                    try:
                        rates = fan_out_run(kind, codec, count)
                        runs.setdefault(key, []).append(rates)
                        progress(f"{codec} {count:3} viewers, {kind}: {rates['packets']:.0f} packets/s, "
                                 f"{1e6 * rates['cpu'] / rates['packets']:.1f} µs a packet")
                    except Failed as failure:
                        progress(f"{codec} {count:3} viewers, {kind}: {failure}")
                        runs.setdefault(key, None)
        for kind in KINDS:
            middle = {count: {name: median([run[name] for run in runs[kind, count]]) for name in runs[kind, count][0]}
                      for count in counts if runs.get((kind, count))}
            row, own = [codec, KINDS[kind].name], {}
            for count in counts:
                own[count] = 1e6 * middle[count]["cpu"] / middle[count]["packets"] if count in middle else None
                row.append(show(own[count]) + (f" ({ratio(own[count], ours.get((codec, count)))})" if not kind.startswith("waldo") else ""))
            top = max(middle) if middle else 1
            own["marginal"] = own["reactor"] = None
            # Without an encoder for each viewer only: else it is the encoders' cost.
            if top > 1 and 1 in middle and kind != "aiortc":
                own["marginal"] = 1e6 * (middle[top]["cpu"] - middle[1]["cpu"]) / (middle[top]["packets"] - middle[1]["packets"])
            if kind.startswith("waldo"):
                own["reactor"] = 1e6 * middle[top]["reactor"] / middle[top]["packets"]
            if kind == "waldo":
                ours.update({(codec, name): value for name, value in own.items()})
            row.append(show(own["marginal"]) + (f" ({ratio(own['marginal'], ours.get((codec, 'marginal')))})" if not kind.startswith("waldo") else ""))
            row.append(show(own["reactor"]))
            row.append(show(middle[top]["packets"], 0) + f" to {top}" if middle else "–")
            rows.append(row)
    return ("## Fan-out: µs of CPU per RTP packet sent\n\n"
            "720p30 at 1.5 Mbit/s, whole process, to 1, 10 and 50 viewers (`waldo bench viewers`, same machine). Marginal: CPU from 1 to the most "
            "viewers, over the packets that they add: what is left when the picture's drawing and encoding are taken out. "
            "Waldo, webrtcbin and “aiortc, encoded once” hold one encoder in their process; aiortc by itself encodes for every viewer; “Waldo, fed with encoded frames” "
            "(`--replay`) and Janus, which is fed with RTP, hold none. In brackets: times ours.\n\n"
            + table(["codec", "server", "1 viewer", "10", "50", "marginal", "reactor thread alone", "packets/s"], rows))


# Memory and threads

def memory_run(kind, options, count):
    with Server(kind, "vp8") as server, Viewers(server, 1, 40, *options) as first:
        for _ in range(3):
            first.figures(20)
        before = server.resident(), server.thread_count()
        with Viewers(server, count, 30, *options) as second:
            for _ in range(4):
                figures = second.figures(20)
            after = server.resident(), server.thread_count()
            if figures["connected"] < count:
                raise Failed(f"{figures['connected']:.0f} of {count} connected")
    return {"memory": (after[0] - before[0]) / count, "threads": (after[1] - before[1]) / count, "base": before[0]}


def memory():
    cases = [("video", ()), ("video and channel", ("--channel",)), ("channel only", ("--channel", "--no-video"))]
    rows = []
    for title, options in cases:
        ours = None
        for kind in KINDS:
            if kind == "waldo-replay" or "channel" in title and kind in ("webrtcbin", "janus") or kind == "aiortc-once" and "only" in title:
                continue
            # An encoder for each of 50 would take the whole machine.
            count = 10 if kind == "aiortc" and "video" in title else 50
            runs = []
            for _ in range(max(1, RUNS - 1)):
                try:
                    runs.append(memory_run(kind, options, count))
                except Failed as failure:
                    progress(f"memory, {title}, {kind}: {failure}")
                    break
            values = {name: median([run[name] for run in runs]) for name in ("memory", "threads", "base")}
            progress(f"memory, {title}, {kind}: {values}")
            if kind == "waldo":
                ours = values["memory"]
            rows.append([title, KINDS[kind].name, str(count), show(values["memory"], 0) + ("" if kind == "waldo" else f" ({ratio(values['memory'], ours)})"),
                         show(values["threads"], 2), show(values["base"] and values["base"] / 1024, 0)])
    return ("## Memory and threads per peer\n\nVmRSS and threads with one viewer, and with N more; VP8.\n\n"
            + table(["each peer has", "server", "N", "kB a peer", "threads a peer", "MB with one"], rows))


# Handshake

def handshake_run(kind, count):
    """CPU of the server for `count` joins with a data channel only: nothing is drawn, encoded or sent beside the handshakes."""
    options = ("--channel", "--no-video")
    with Server(kind, "vp8") as server:
        with Viewers(server, 1, 1, *options) as warm:
            warm.figures()
        time.sleep(1)
        start, cpu = time.monotonic(), server.cpu()
        with Viewers(server, count, 2, *options) as viewers:
            figures = viewers.figures()
            spent, span = server.cpu() - cpu, time.monotonic() - start
            viewers.figures()
        idle = server.cpu()
        time.sleep(2)
        idle = (server.cpu() - idle) / 2
    if figures["connected"] < count:
        raise Failed(f"{figures['connected']:.0f} of {count} connected within a second")
    return {"cpu": 1000 * (spent - min(idle * span, spent / 2)) / count, "burst": figures["connect_ms"]}


def connect_run(kind):
    with Server(kind, "vp8") as server:
        times, pictures = [], []
        for _ in range(5):
            with Viewers(server, 1, 2) as viewers:
                viewers.figures()
                figures = viewers.figures()
                times.append(figures["connect_ms"])
                pictures.append(figures["first_picture_ms"])
    return {"connect": median(times), "picture": median(pictures)}


def handshake():
    rows, ours = [], {}
    for kind in KINDS:
        if kind in ("aiortc-once", "waldo-replay"):
            continue
        runs = []
        for _ in range(RUNS):
            run = {}
            for part, measure in (("joins", lambda: handshake_run(kind, 50)), ("connect", lambda: connect_run(kind))):
                if part == "joins" and kind in ("webrtcbin", "janus"):
                    continue
                try:
                    run |= measure()
                except Failed as failure:
                    progress(f"{part}, {kind}: {failure}")
            runs.append(run)
        values = {name: median([run.get(name) for run in runs]) for name in ("cpu", "burst", "connect", "picture")}
        progress(f"handshake, {kind}: {values}")
        ours = ours or values
        rows.append([KINDS[kind].name] + [
            show(value, 2) + ("" if values is ours or value is None else f" ({ratio(value, ours[name])})") for name, value in values.items()])
    return ("## Handshake\n\nServer CPU: 50 joins at once with a data channel and no media, ICE, DTLS and SCTP included. Connected: from the answer to the end of the "
            "viewer's DTLS handshake, one viewer with video at a time, and among the 50. Viewers are ours in every case, on the same machine.\n\n"
            + table(["server", "CPU a join, ms", "connected among 50, ms", "answer → connected, ms", "answer → first picture, ms"], rows))


# Allocations

def read_counts(path):
    words = struct.unpack("8192Q", pathlib.Path(path).read_bytes())
    return {words[index]: words[index + 1] for index in range(0, 8192, 2) if words[index]}


def allocations_run(codec, count, library):
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(65536))
        file.flush()
        with Server("waldo", codec, environment={"LD_PRELOAD": library, "COUNT_ALLOCATIONS": file.name}) as server, \
                Viewers(server, count, SECONDS + 12) as viewers:
            # Headers are longer in a connection's first three seconds.
            for _ in range(5):
                viewers.figures()
            reactor = next(thread for thread, (name, _) in server.threads().items() if name == "waldo-reactor")
            server.metrics()
            begin, at = read_counts(file.name), time.monotonic()
            packets = server.metrics()["waldo_rtp_packets_sent_total"]
            for _ in range(SECONDS):
                viewers.figures()
            end, span = read_counts(file.name), time.monotonic() - at
            packets = server.metrics()["waldo_rtp_packets_sent_total"] - packets
    return {"packets": packets / span, "all": (sum(end.values()) - sum(begin.values())) / span,
            "reactor": (end.get(reactor, 0) - begin.get(reactor, 0)) / span}


def allocations():
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        library = f"{directory}/count.so"
        subprocess.run(["clang", "-O2", "-shared", "-fPIC", "-o", library, str(HERE / "count_allocations.c")], check=True, timeout=60)
        for codec in CODECS:
            few, many = allocations_run(codec, 1, library), allocations_run(codec, 50, library)
            added = many["packets"] - few["packets"]
            rows.append([codec, show(many["all"] / many["packets"], 2), show(many["reactor"] / many["packets"], 2),
                         show((many["all"] - few["all"]) / added, 2), show(few["all"], 0), show(many["all"], 0), show(many["packets"], 0)])
            progress(f"allocations, {codec}: {rows[-1]}")
    return ("## Heap allocations per packet sent, Waldo\n\nmalloc, calloc, realloc and the like of the whole process in steady state; marginal: from 1 to 50 viewers, "
            "over the packets that they add.\n\n"
            + table(["codec", "all threads, 50 viewers", "reactor thread", "marginal", "a second with 1 viewer", "with 50", "packets/s with 50"], rows))
