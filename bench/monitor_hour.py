"""An hour of ordinary traffic beside the monitor: what it takes for teleoperation, and whether it grows."""

import contextlib
import os
import pathlib
import statistics
import subprocess
import time

from monitor import Client, Monitor, own_network, start_publisher
from parts import show, table
from processes import HERE, PYTHON, Failed, Process, progress

SECONDS = int(os.environ.get("BENCH_SECONDS", 3600))
ROBOT, OUTSIDE = "10.77.0.1", "10.77.0.2"
COUNTED = ("teleoperation_started", "connection_established")


def traffic(*words, inside=()):
    process = Process([*inside, PYTHON, "-u", str(HERE / "peers/ordinary_traffic.py"), *map(str, words)])
    if process.line(30) != "ready":
        raise Failed(f"no traffic {words}")
    return process


@contextlib.contextmanager
def cable():
    """A second network at the end of a cable; what to put before a command that shall run there."""
    with Process(["unshare", "--net", "sleep", "100000"]) as there:
        time.sleep(0.3)
        inside = ["nsenter", "--net", "--target", str(there.pid)]
        for words in (["ip", "link", "add", "robot", "type", "veth", "peer", "name", "outside", "netns", str(there.pid)],
                      ["ip", "addr", "add", ROBOT + "/24", "dev", "robot"], ["ip", "link", "set", "robot", "up"],
                      [*inside, "ip", "addr", "add", OUTSIDE + "/24", "dev", "outside"], [*inside, "ip", "link", "set", "outside", "up"],
                      [*inside, "ip", "link", "set", "lo", "up"]):
            subprocess.run(words, check=True)
        yield inside


def carried():
    """Bytes and packets on the cable, both ways."""
    words = next(line for line in pathlib.Path("/proc/net/dev").read_text().splitlines() if line.strip().startswith("robot:")).split()
    return int(words[1]) + int(words[9]), int(words[2]) + int(words[10])


def watch(client, monitor, processes, until):
    """The wrong events of a minute, with the reasons that the monitor gives, and how long wrong sessions were."""
    wrong = []
    while (event := client.event(until)) is not None:
        if event["type"] == "teleoperation_stopped":
            wrong.append(("stopped", event["data"]["duration"]))
        if event["type"] in COUNTED:
            wrong.append((event["type"], event["data"]))
            progress(f"wrong: {wrong[-1]}")
    for process in processes:
        if process.child.poll() is not None:
            process.line(1)  # says how it ended
            raise Failed("a program of the traffic ended")
    return wrong


def hour():
    wrong, samples = [], []
    with own_network(), cable() as inside, contextlib.ExitStack() as held:
        outside = held.enter_context(traffic("outside", OUTSIDE, inside=inside))
        monitor = held.enter_context(Monitor("waldo", "0.0.0.0"))
        client = held.enter_context(contextlib.closing(Client(monitor.port)))
        processes = [monitor, outside, held.enter_context(traffic("robot", ROBOT, OUTSIDE)),
                     held.enter_context(traffic("visitors", OUTSIDE, ROBOT, monitor.port, inside=inside))]
        begin, before = time.monotonic(), carried()
        at, used = begin, monitor.cpu()
        while at < begin + SECONDS:
            wrong += watch(client, monitor, processes, min(at + 60, begin + SECONDS))
            now, now_used = time.monotonic(), monitor.cpu()
            samples.append({"cpu": 100 * (now_used - used) / (now - at), "resident": monitor.resident()})
            progress(f"minute {len(samples)}: {samples[-1]}, {sum(name in COUNTED for name, _ in wrong)} wrong events")
            at, used = now, now_used
        length, total = at - begin, [after - early for after, early in zip(carried(), before)]
        peak, state = monitor.resident("VmHWM"), monitor.status()["state"]
        if is_quiet := not state["teleoperation_active"]:
            start_publisher(client, 1)  # a monitor that slept would have been right, too: this one must be awake
    active = sum(data for name, data in wrong if name == "stopped") + (state["duration"] or 0)
    wrong = [one for one in wrong if one[0] in COUNTED]
    kinds = {kind: sum(name == kind for name, _ in wrong) for kind in COUNTED}
    reasons = sorted({str(data.get("reasons") or f"{data.get('kind')} {data.get('local')} {data.get('remote')}") for _, data in wrong})
    rows = [[f"`{kind}` without teleoperation", str(count), "0"] for kind, count in kinds.items()]
    rows.append(["seconds of teleoperation that was none", f"{active:.0f} of {length:.0f}", "0"])
    for name, key, digits, limit in (("CPU, % of a core: first minute, last, most, median", "cpu", 2, "1"), ("VmRSS, kB: the same", "resident", 0, "9765")):
        values = [sample[key] for sample in samples]
        rows.append([name, ", ".join(show(value, digits) for value in (values[0], values[-1], max(values), statistics.median(values))), limit])
    rows.append(["VmHWM, kB", str(peak), "9765"])
    chosen = os.environ.get("BENCH_TRAFFIC")
    return (f"## `waldo-monitor`, {length / 60:.0f} minutes of ordinary traffic\n\nBetween two networks with a cable, by `peers/ordinary_traffic.py`: "
            + (f"only {chosen}" if chosen else "downloads, short requests, films over TCP (443, 8080) and QUIC, a shell, DNS, NTP, a shell in a WireGuard tunnel, "
               "scrapes, five WebSocket clients") + f". {total[0] / 1e6:.0f} MB in {total[1]} packets."
            + (" After it a publisher at 50 Hz was recognized." if is_quiet else "") + "\n\n" + table(["figure", "found", "limit"], rows)
            + ("" if not reasons else "\nWhat the wrong events say: " + "; ".join(f"`{reason}`" for reason in reasons[:20]) + "\n"))
