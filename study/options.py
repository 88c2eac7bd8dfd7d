"""The options that several commands share, each said once, and what they mean together."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from analysis.summary.thresholds import Threshold, parse_thresholds, read_thresholds
from scenarios.model import (
    AccessLog,
    Arrivals,
    Engine,
    Http,
    Library,
    Life,
    Loop,
    PythonServer,
    Scenario,
    UpstreamKind,
    UserClass,
)
from scenarios.units import Second, parse_duration, parse_rate

QUICK_USERS = 50
QUICK_DELAY_S = 0.1
QUICK_DURATION_S = 5.0

Users = Annotated[int | None, typer.Option(help="Concurrent users, each waiting for its answer.")]
SpawnRate = Annotated[float | None, typer.Option(help="Users that begin in a second.")]
Duration = Annotated[str | None, typer.Option(help="Length of the window, such as 30s.")]
Delay = Annotated[str | None, typer.Option(help="How long the upstream waits, such as 1000ms.")]
ThinkTime = Annotated[str | None, typer.Option(help="Pause of a user between requests.")]
Quick = Annotated[bool, typer.Option("--quick", help="50 users, 100 ms, 5 s: a first look.")]
ServerOption = Annotated[PythonServer | None, typer.Option("--server", help="gunicorn or uvicorn.")]
Workers = Annotated[int | None, typer.Option(help="Server processes.")]
Pool = Annotated[int | None, typer.Option(help="Threads of anyio's pool in each worker.")]
LoopOption = Annotated[Loop | None, typer.Option("--loop", help="asyncio, uvloop or auto.")]
HttpOption = Annotated[Http | None, typer.Option("--http", help="h11, httptools or auto.")]
WorkerTimeout = Annotated[
    int | None,
    typer.Option(help="Silent seconds before gunicorn kills a worker; 0: never."),
]
ClientOption = Annotated[Library | None, typer.Option("--client", help="httpx, httpx2 or aiohttp.")]
ClientLife = Annotated[Life | None, typer.Option(help="shared or per-request.")]
ClientTimeout = Annotated[str | None, typer.Option(help="The app's own timeout, such as 60s.")]
ClientConnections = Annotated[
    int | None, typer.Option(help="Connections of the app's client at the most, in each worker.")
]
UpstreamOption = Annotated[
    UpstreamKind | None, typer.Option("--upstream", help="auto, python or go.")
]
LoadProcesses = Annotated[int | None, typer.Option(help="Load generator processes.")]
UserClassOption = Annotated[
    UserClass | None,
    typer.Option("--user-class", help="fast (FastHttpUser) or requests (HttpUser)."),
]
ArrivalRate = Annotated[
    str | None, typer.Option(help="Open loop: requests leave at this rate, such as 300/s.")
]
ArrivalsOption = Annotated[
    Arrivals | None, typer.Option("--arrivals", help="Of an open loop: constant or poisson.")
]
DatabasePool = Annotated[
    int | None, typer.Option("--db-pool", help="Connections of the app's pool, in each worker.")
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        envvar="STUDY_DATABASE_URL",
        help="A PostgreSQL server of yours instead of the embedded one: "
        "postgresql://user:password@host:port/name. A database is made there, and dropped.",
    ),
]
Targets = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        metavar="NAME=URL",
        help="contrast: a server that is running, such as a=http://127.0.0.1:8000/api; the first "
        "is the one that the others are compared with. May be given several times.",
    ),
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="'METHOD PATH [JSON]'",
        help="contrast: instead of the eight, such as 'POST /echo {\"a\": 1}'. May be given "
        "several times.",
    ),
]
Requests = Annotated[
    int | None,
    typer.Option(help="The window ends when so many have completed, or after --duration."),
]
KeepAlive = Annotated[
    bool | None,
    typer.Option(
        "--keep-alive/--no-keep-alive", help="Whether users keep their connections, or not."
    ),
]
AccessLogOption = Annotated[
    AccessLog | None,
    typer.Option("--access-log", help="off, to a file, or to a terminal that is slow."),
]
EngineOption = Annotated[
    Engine | None, typer.Option("--engine", help="What makes the load: locust or oha.")
]
Trials = Annotated[int, typer.Option(help="How often each scenario is run.")]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Of the order in which several trials are shuffled.")
]
Expect = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT|FILE",
        help="A threshold, such as 'async-http-shared: failures == 0, p99_ms < 1200', or a .toml "
        "file of them; exit code 1 where one fails. May be given several times.",
    ),
]
Distributed = Annotated[
    bool,
    typer.Option(
        "--distributed", help="The load comes from other machines: study load-worker on each."
    ),
]
ExpectWorkers = Annotated[
    int | None, typer.Option(help="How many load workers of other machines to wait for.")
]
Listen = Annotated[
    str | None,
    typer.Option(
        help="This machine's address for the other machines. Server and master then answer "
        "whoever reaches it: only in a network that you trust. Loopback if not given."
    ),
]
MasterPort = Annotated[int | None, typer.Option(help="Where load workers report; 5557.")]
WaitWorkers = Annotated[str | None, typer.Option(help="How long for, such as 60s.")]
Predict = Annotated[
    bool,
    typer.Option("--predict/--no-predict", help="Calibrate, and say first what theory expects."),
]
Report = Annotated[
    bool, typer.Option("--report/--no-report", help="Draw report.html at the end, in some seconds.")
]
Profile = Annotated[
    bool,
    typer.Option(
        "--profile", help="A flame graph of each Python server, by py-spy; it costs some speed."
    ),
]
Live = Annotated[
    bool, typer.Option("--live", help="Show the run on a page on loopback while it goes on.")
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Of the server; 0 picks a free one.")]
Out = Annotated[Path, typer.Option(help="Folder that run directories go into.")]
DEFAULT_PORT = 4242
DEFAULT_OUT = Path("results")


def shorten_scenario(scenario: Scenario) -> Scenario:
    users = min(QUICK_USERS, scenario.load.users)
    load = replace(scenario.load, users=users, duration_s=QUICK_DURATION_S)
    delay_s = None if scenario.delay_s is None else QUICK_DELAY_S
    return replace(scenario, load=load, delay_s=delay_s)


def parse_seconds(option: str, text: str | None) -> Second | None:
    return None if text is None else parse_duration(option, text)


def parse_per_second(option: str, text: str | None) -> float | None:
    return None if text is None else parse_rate(option, text)


def parse_expectations(given: Sequence[str] | None) -> tuple[Threshold, ...]:
    """Each is a path if it ends like one, and the text itself otherwise. Raises UserError."""
    return tuple(
        each
        for text in given or ()
        for each in (
            read_thresholds(Path(text)) if text.endswith(".toml") else parse_thresholds(text)
        )
    )
