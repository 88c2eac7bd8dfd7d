"""What the probe costs: `python -m benchmarks.probe_overhead [--rounds 7] [--seconds 2]
[--loop uvloop]`.

Four servers stand side by side (uvicorn, one worker, httptools) and are driven in turn
against /ping: bare, bare again (what two identical servers differ by), under the probe, and
behind a BaseHTTPMiddleware that logs threads as the original study's did. Each figure is the
median over the rounds; the difference is taken within each round before the median.

CPU per request is the server process's own, watchdog and journal included. It is the figure to
read: rps also holds what the machine's neighbours did.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import psutil

from benchmarks.raw_load import drive
from stress.machine import find_free_port
from stress.stack import is_answering

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 16
VARIANTS = (
    ("bare", "app.main:app"),
    ("bare again", "app.main:app"),
    ("probe", "asgi_probe.entry:app"),
    ("BaseHTTPMiddleware", "benchmarks.thread_logging:app"),
)


@dataclass(frozen=True, slots=True)
class BenchmarkServer:
    name: str
    port: int
    process: psutil.Process


@dataclass(frozen=True, slots=True)
class BenchmarkRound:
    rps: float
    cpu_us: float
    """CPU microseconds per request."""


@contextmanager
def start_benchmark_server(
    name: str, target: str, loop: str, folder: Path
) -> Iterator[BenchmarkServer]:
    port = find_free_port(0)
    entry = ROOT / "probe"
    env = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{entry}",
        "PROBE_TARGET": "app.main:app",
        "PROBE_DIR": str(folder),
    }
    argv = (
        sys.executable, "-m", "uvicorn", target, f"--port={port}", f"--loop={loop}",
        "--http=httptools", "--no-access-log", "--log-level=warning",
    )  # fmt: skip
    with (folder / "server.log").open("ab") as output:
        process = subprocess.Popen(argv, cwd=ROOT, env=env, stdout=output, stderr=output)
    try:
        deadline_s = monotonic() + 30
        while not is_answering(port):
            if process.poll() is not None or monotonic() > deadline_s:
                raise SystemExit(f"{name}: no server; see {folder / 'server.log'}")
            sleep(0.05)
        yield BenchmarkServer(name, port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait()


def measure(server: BenchmarkServer, seconds: float) -> BenchmarkRound:
    before, begun_s = server.process.cpu_times(), monotonic()
    answered = drive(server.port, "/ping", CONNECTIONS, seconds)
    after, lasted_s = server.process.cpu_times(), monotonic() - begun_s
    used_s = after.user + after.system - before.user - before.system
    return BenchmarkRound(answered / lasted_s, 1e6 * used_s / answered)


def print_overhead(names: Sequence[str], rounds: Sequence[Sequence[BenchmarkRound]]) -> None:
    print(
        f"{'server':<20}{'rps':>9}{'ratio':>8}{'CPU µs/request':>16}{'over bare':>12}{'ratio':>8}"
    )
    for place, name in enumerate(names):
        rps = median(each[place].rps for each in rounds)
        ratio = median(each[place].rps / each[0].rps for each in rounds)
        cpu_us = median(each[place].cpu_us for each in rounds)
        over_us = median(each[place].cpu_us - each[0].cpu_us for each in rounds)
        share = median(each[place].cpu_us / each[0].cpu_us for each in rounds)
        print(f"{name:<20}{rps:>9,.0f}{ratio:>8.3f}{cpu_us:>16.1f}{over_us:>+12.1f}{share:>8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="What the probe costs per request.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load, each time")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [
            stack.enter_context(start_benchmark_server(name, app, options.loop, folder))
            for name, app in VARIANTS
        ]
        for server in servers:
            measure(server, 0.5)  # warm
        rounds = [
            [measure(server, options.seconds) for server in servers] for _ in range(options.rounds)
        ]
        print_overhead([server.name for server in servers], rounds)


if __name__ == "__main__":
    main()
