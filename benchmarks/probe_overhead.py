"""Overhead of the probe: `python -m benchmarks.probe_overhead [--rounds 7] [--seconds 2]
[--path /ping] [--loop uvloop] [--rivals PYTHON]`.

Servers (uvicorn, one worker, httptools) run at the same time and get requests to --path in turn:
bare, bare again (the difference between two identical servers), with the probe's journal, with its
metrics, with both, and behind a BaseHTTPMiddleware that logs threads as in the original study. Each
figure is the median over the rounds; differences are taken within each round before the median.

With --rivals, a Python of at least 3.12, an app of the corpus runs with h11 in a separate
environment: bare, with an audit's probe, and with each of the other detectors.

CPU per request is that of the server process, including watchdog and journal. It is the figure to
read: rps also depends on the machine's other load.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic

import psutil

from benchmarks.corpus_rivals import (
    APP_PACKAGES,
    CACHE,
    RIVALS,
    build_rival_variables,
    choose_environment,
)
from benchmarks.raw_load import drive
from stress.audit.audited_app import DIRECTORY_VARIABLE
from tests.corpus.serve import ServedApp, serve

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 16
OWN_APP, CORPUS_APP = "app.main:app", "innocent_app"


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


def list_own_servers(folder: Path, loop: str) -> dict[str, tuple[ServedApp, tuple[str, ...]]]:
    """Return by name the app and additional arguments of uvicorn."""
    variables = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'probe'}",
        "PROBE_TARGET": OWN_APP,
        "PROBE_DIR": str(folder),
    }
    targets = {
        "bare": OWN_APP,
        "bare again": OWN_APP,
        "probe": "asgi_probe.entry:app",
        "Prometheus metrics": "benchmarks.metrics_apps:prometheus",
        "OpenTelemetry": "benchmarks.metrics_apps:opentelemetry",
        "probe and metrics": "benchmarks.metrics_apps:both",
        "BaseHTTPMiddleware": "benchmarks.thread_logging:app",
    }
    words = ("--http=httptools", "--log-level=warning")
    return {
        name: (ServedApp(target, loop=loop, variables=variables), words)
        for name, target in targets.items()
    }


def list_rivals(
    folder: Path, loop: str, python: Path
) -> dict[str, tuple[ServedApp, tuple[str, ...]]]:
    packages = (*APP_PACKAGES, *filter(None, RIVALS.values()))
    python = choose_environment(python, CACHE, packages)
    target = f"{CORPUS_APP}:app"
    bare = ServedApp(target, python, loop)
    variables = {"PYTHONPATH": str(ROOT / "probe"), DIRECTORY_VARIABLE: str(folder)}
    found = {
        "bare": bare,
        "bare again": bare,
        "study audit": ServedApp(target, python, loop, variables),
    }
    for name in RIVALS:
        log = folder / f"{name}.jsonl"
        log.touch()
        variables = build_rival_variables(name, CORPUS_APP, log)
        found[name] = ServedApp("rival_entry:app", python, loop, variables)
    return {name: (served, ()) for name, served in found.items()}


@contextmanager
def start_benchmark_server(
    name: str, app: ServedApp, words: Sequence[str], folder: Path
) -> Iterator[BenchmarkServer]:
    with serve(app, folder / f"{name}.log", words) as (port, pid):
        yield BenchmarkServer(name, port, psutil.Process(pid))


def measure(server: BenchmarkServer, path: str, seconds: float) -> BenchmarkRound:
    before, begun_s = server.process.cpu_times(), monotonic()
    answered = drive(server.port, path, CONNECTIONS, seconds)
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
    parser = argparse.ArgumentParser(description="Overhead of the probe per request.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load per server and round")
    parser.add_argument("--path", default="/ping", help="such as /sync/ping, which takes a thread")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rivals", type=Path, help="Python for the comparison of detectors")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.rivals:
            listed = list_rivals(folder, options.loop, options.rivals)
        else:
            listed = list_own_servers(folder, options.loop)
        servers = [
            stack.enter_context(start_benchmark_server(name, *served, folder))
            for name, served in listed.items()
        ]
        for server in servers:
            measure(server, options.path, 0.5)  # warm-up
        rounds = [
            [measure(server, options.path, options.seconds) for server in servers]
            for _ in range(options.rounds)
        ]
        print_overhead([server.name for server in servers], rounds)


if __name__ == "__main__":
    main()
