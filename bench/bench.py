"""Measures Waldo and other WebRTC implementations side by side, and writes the figures as Markdown.

usage: scripts/bench [PART …]    parts: fanout memory handshake chromium allocations web signal up pairs monitor;
                                 without one, all. monitor-hour: an hour of ordinary traffic, only when it is named
       BENCH_SECONDS=N           length of one measurement (10; Chromium: 20 at least)
       BENCH_RUNS=N              alternating runs of each (3)
       BENCH_TIMES=N             latencies of each kind in `monitor` (30)
       BENCH_TRAFFIC="KIND …"    only these kinds of traffic in `monitor-hour`
"""

import os
import pathlib
import re
import signal
import sys
import time

import chromium
import monitor
import monitor_hour
import pairs
import parts
import signalling
import up
import web
from processes import BINARY, HERE, Failed, progress, stop_all

PARTS = {
    "fanout": parts.fan_out, "memory": parts.memory, "handshake": parts.handshake, "chromium": chromium.chromium,
    "allocations": parts.allocations, "web": web.web, "signal": signalling.signalling, "up": up.up,
    "pairs": pairs.pairs, "monitor": monitor.monitor, "monitor-hour": monitor_hour.hour,
}


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return (f"{os.cpu_count()} cores, {cpu.group(1) if cpu else 'unknown CPU'}, {os.uname().sysname} {os.uname().release}, "
            f"load {load}, {time.strftime('%Y-%m-%d %H:%M')}")


def main():
    wanted = sys.argv[1:] or [name for name in PARTS if name != "monitor-hour"]
    if unknown := [name for name in wanted if name not in PARTS]:
        sys.exit(f"bench: expected parts among {', '.join(PARTS)}, got {' '.join(unknown)}\n{__doc__}")
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"bench: no program at {BINARY}: scripts/build waldo, or set WALDO_BINARY")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    path = HERE / "results" / f"{time.strftime('%Y-%m-%d-%H%M')}.md"
    path.parent.mkdir(exist_ok=True)
    sections = [f"# Measurements\n\nMachine: {machine()}.\n"]
    try:
        for name in wanted:
            progress(f"{name} …")
            try:
                text = PARTS[name]()
            except Failed as failure:
                text = f"## {name}\n\nFailed: {failure}\n"
            text += f"\nLoad average after it: {os.getloadavg()[0]:.1f} (other programs of this machine included).\n"
            sections.append(text)
            print(text, flush=True)
            path.write_text("\n".join(sections))
    finally:
        stop_all()
    progress(f"written to {path}")


main()
