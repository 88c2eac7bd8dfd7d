"""Overhead of the probe: `python -m benchmarks.probe_overhead [--rounds 7] [--seconds 2]
[--rates 100,1000,inf] [--path /ping] [--loop uvloop] [--rivals PYTHON]`.

Several servers (uvicorn, one worker, httptools) run at the same time and get requests in turn:
bare, bare again (the difference between two identical servers), with the probe in several settings
(module `asgi_probe.settings`), with its metrics in place of the journal or as well, with an audit's
probe, and behind a BaseHTTPMiddleware that logs threads as in the original study. Each figure is
the median over the rounds; differences are taken within each round before the median. There is a
table for each rate; inf: as fast as the server responds.

With --rivals, a Python of at least 3.12, an app of the corpus runs with h11 in a separate
environment: bare, with an audit's probe, and with each of the other detectors.

CPU per request is that of the server process, including watchdog and journal. It is the figure to
read: rps also depends on the machine's other load. `core` is the difference as a share of one core.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from statistics import median
from time import clock_gettime, monotonic

from asgi_probe.settings import BEAT_VARIABLE, STACKS_VARIABLE

from benchmarks.corpus_rivals import (
    APP_PACKAGES,
    CACHE,
    RIVALS,
    build_rival_variables,
    choose_environment,
)
from benchmarks.raw_load import drive
from stress.audit.audited_app import DIRECTORY_VARIABLE
from stress.places import SITE_FOLDER
from tests.corpus.serve import ServedApp, serve

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 16
OWN_APP, CORPUS_APP, METRICS_APPS = "app.main:app", "innocent_app", "benchmarks.metrics_apps"


@dataclass(frozen=True, slots=True)
class BenchmarkServer:
    name: str
    port: int
    pid: int


@dataclass(frozen=True, slots=True)
class LoadSettings:
    path: str
    seconds: float


@dataclass(frozen=True, slots=True)
class BenchmarkRound:
    rps: float
    cpu_us: float
    """CPU microseconds per request."""


def list_own_servers(folder: Path, loop: str) -> dict[str, tuple[ServedApp, tuple[str, ...]]]:
    """Return by name the app and additional arguments of uvicorn."""
    path = f"{ROOT}:{ROOT / 'probe'}"
    probe = {"PYTHONPATH": path, "PROBE_TARGET": OWN_APP, "PROBE_DIR": str(folder)}
    bare, entry = ServedApp(OWN_APP, loop=loop), "asgi_probe.entry:app"
    audit = {"PYTHONPATH": f"{SITE_FOLDER}:{ROOT}", DIRECTORY_VARIABLE: str(folder)}
    layer = {"PYTHONPATH": path}
    served = {
        "bare": bare,
        "bare again": bare,
        "probe": ServedApp(entry, loop=loop, variables=probe),
        "probe with beat 50 ms": ServedApp(
            entry, loop=loop, variables={**probe, BEAT_VARIABLE: "50"}
        ),
        "probe without stacks": ServedApp(
            entry, loop=loop, variables={**probe, STACKS_VARIABLE: "0"}
        ),
        "Prometheus": ServedApp(f"{METRICS_APPS}:prometheus", loop=loop, variables=layer),
        "OpenTelemetry": ServedApp(f"{METRICS_APPS}:opentelemetry", loop=loop, variables=layer),
        "probe and metrics": ServedApp(f"{METRICS_APPS}:both", loop=loop, variables=probe),
        "study audit": ServedApp(OWN_APP, loop=loop, variables=audit),
        "BaseHTTPMiddleware": ServedApp(
            "benchmarks.thread_logging:app", loop=loop, variables=layer
        ),
    }
    words = ("--http=httptools", "--log-level=warning")
    return {name: (each, words) for name, each in served.items()}


def list_rivals(
    folder: Path, loop: str, python: Path
) -> dict[str, tuple[ServedApp, tuple[str, ...]]]:
    packages = (*APP_PACKAGES, *filter(None, RIVALS.values()))
    python = choose_environment(python, CACHE, packages)
    target = f"{CORPUS_APP}:app"
    bare = ServedApp(target, python, loop)
    variables = {"PYTHONPATH": str(SITE_FOLDER), DIRECTORY_VARIABLE: str(folder)}
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
        yield BenchmarkServer(name, port, pid)


def check_journals(servers: Sequence[BenchmarkServer], apps: Sequence[ServedApp]) -> None:
    """Raises RuntimeError for a server whose probe should write a journal and does not: it would
    cost nothing."""
    for server, app in zip(servers, apps, strict=True):
        folder = app.variables.get("PROBE_DIR") or app.variables.get(DIRECTORY_VARIABLE)
        if folder and not any(Path(folder).glob(f"probe-{server.pid}-*.journal")):
            raise RuntimeError(f"{server.name}: the probe is not attached, or switched off")


def read_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, to the nanosecond (CPUCLOCK_SCHED in the kernel's
    include/linux/posix-timers_types.h)."""
    return clock_gettime(~pid << 3 | 2)


def measure(server: BenchmarkServer, load: LoadSettings, rate: float) -> BenchmarkRound:
    before_s, begun_s = read_cpu_s(server.pid), monotonic()
    answered = drive(server.port, load.path, CONNECTIONS, load.seconds, rate)
    used_s, lasted_s = read_cpu_s(server.pid) - before_s, monotonic() - begun_s
    return BenchmarkRound(answered / lasted_s, 1e6 * used_s / answered)


def print_overhead(names: Sequence[str], rounds: Sequence[Sequence[BenchmarkRound]]) -> None:
    print(
        f"{'server':<23}{'rps':>9}{'ratio':>8}{'CPU µs/request':>16}{'over bare':>12}{'ratio':>8}"
        f"{'core':>8}"
    )
    for place, name in enumerate(names):
        rps = median(each[place].rps for each in rounds)
        ratio = median(each[place].rps / each[0].rps for each in rounds)
        cpu_us = median(each[place].cpu_us for each in rounds)
        over_us = median(each[place].cpu_us - each[0].cpu_us for each in rounds)
        share = median(each[place].cpu_us / each[0].cpu_us for each in rounds)
        print(
            f"{name:<23}{rps:>9,.0f}{ratio:>8.3f}{cpu_us:>16.1f}{over_us:>+12.1f}{share:>8.3f}"
            f"{over_us * rps / 1e6:>8.2%}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Overhead of the probe per request.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load per server and round")
    parser.add_argument("--rates", default="inf", help="requests per second, such as 100,1000,inf")
    parser.add_argument("--path", default="/ping", help="such as /sync/ping, which takes a thread")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--rivals", type=Path, help="Python for the comparison of detectors")
    parser.add_argument("--only", help="names of servers, such as 'bare,probe'; bare is the first")
    options = parser.parse_args()
    load = LoadSettings(options.path, options.seconds)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if options.rivals:
            listed = list_rivals(folder, options.loop, options.rivals)
        else:
            listed = list_own_servers(folder, options.loop)
        names = options.only.split(",") if options.only else list(listed)
        servers = [
            stack.enter_context(start_benchmark_server(name, *listed[name], folder))
            for name in names
        ]
        for server in servers:
            measure(server, LoadSettings(options.path, 0.5), inf)  # warm-up
        check_journals(servers, [listed[name][0] for name in names])
        for rate in map(float, options.rates.split(",")):
            rounds = [
                [measure(server, load, rate) for server in servers] for _ in range(options.rounds)
            ]
            print(f"\n{options.path} at {rate:g} requests per second, {options.loop}")
            print_overhead(names, rounds)


if __name__ == "__main__":
    main()
