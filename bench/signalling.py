"""The signalling server beside one of Python's websockets: what a CPU-second repeats. (Not `signal.py`: that is a module of Python's.)"""

import json

from parts import RUNS, SECONDS, show, table
from processes import BINARY, HERE, PYTHON, Failed, Process, free_port, median, progress

NAMES = {"waldo": "Waldo", "websockets": "websockets (Python), each message to every other"}
# Messages a second of each of 100 clients; at 5 Python's server has three quarters of a core to do.
RATES = {"waldo": (1, 5, 20, 50, 100, 190), "websockets": (1, 5)}
CLIENTS, SIZE = 100, 64


class SignalServer(Process):
    def __init__(self, kind):
        self.port = free_port()
        if kind == "waldo":
            super().__init__([BINARY, "signal", "--bind", "127.0.0.1", "--port", str(self.port), "--log-level", "warning"])
            while not self.line(20).startswith("Ctrl+C"):
                pass
        else:
            super().__init__([PYTHON, "-u", str(HERE / "peers/signal_websockets.py"), str(self.port)])
            self.line(20)


def run(kind, rate):
    """Figures of one run. A server that is not fast enough has messages missing at its end; what it did in the seconds that count is right."""
    with SignalServer(kind) as server:
        command = [BINARY, "bench", "signal-load", "--url", f"ws://127.0.0.1:{server.port}", "--connections", str(CLIENTS), "--size", str(SIZE),
                   "--rate", str(rate), "--seconds", str(SECONDS), "--pid", str(server.pid)]
        with Process(command) as load:
            found = json.loads(load.line(SECONDS + 60))
    if found["wrong"] or found["ended"] or "per_cpu_second" not in found:
        raise Failed(f"wrong messages or closed connections: {found}")
    found["wanted"] = CLIENTS * (CLIENTS - 1) * rate
    return found


def signalling():
    found = {(kind, rate): [] for kind in NAMES for rate in RATES[kind]}
    for _ in range(RUNS):
        # In turn at each rate, so that both see the same machine.
        for rate in sorted({rate for _, rate in found}):
            for kind in NAMES:
                if (kind, rate) not in found:
                    continue
                try:
                    found[kind, rate].append(run(kind, rate))
                    progress(f"signal, {kind}, {rate} a second each: {found[kind, rate][-1]}")
                except (Failed, json.JSONDecodeError) as failure:
                    progress(f"signal, {kind}, {rate} a second each: {failure}")
    best = max((median([run["per_cpu_second"] for run in runs]) or 0 for (kind, _), runs in found.items() if kind == "websockets"), default=0)
    rows = []
    for (kind, rate), runs in found.items():
        value = median([run["per_cpu_second"] for run in runs])
        peer = median([run["per_cpu_second"] for run in found.get(("websockets", rate), [])]) or best
        rows.append([str(rate), NAMES[kind], show(value, 0) + (f" ({value / peer:.1f}×)" if kind == "waldo" and value and peer else ""),
                     show(value and 1e6 / value, 2), show(median([run["per_second"] for run in runs]), 0),
                     show(median([100 * run["server_cpu"] / run["seconds"] for run in runs]), 0, " %"),
                     str(max((run["missing"] for run in runs), default="–")), " ".join(f"{run['per_cpu_second'] / 1000:.0f}k" for run in runs)])
    return (f"## Signalling server\n\n`waldo bench signal-load`: {CLIENTS} clients, {SIZE}-byte messages, all talk, and each checks that every message of every "
            "other comes once and in order. A delivery is one message at one receiver; CPU of the server's process alone, one thread each. In brackets: times "
            "Python's server at the same rate, or at its best where it has no figure. Missing: not there ten seconds after the last was sent.\n\n"
            + table(["messages a second of each", "server", "deliveries a CPU-second", "µs each", "deliveries a second", "server's CPU", "missing", "each run"], rows))
