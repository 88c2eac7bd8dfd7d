"""The runs that the guidance rests on. Each is a command that anybody can repeat."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

MINE_ALONE: Mapping[str, bool] = {
    "--out": True,
    "--port": True,
    "--trials": True,
    "--seed": True,
    "--database-url": True,
    "--json": False,
    "--quiet": False,
    "--live": False,
    "--report": False,
    "--no-report": False,
    "--predict": False,
    "--no-predict": False,
}
"""Options that make no other experiment of it; whether a value follows."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """`quick`: what `study guide --check` runs instead, in less time: under its settings the same
    relations hold."""

    name: str
    command: str
    quick: str


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        "fair",
        "study run sync-http-shared async-http-shared async-http-sync-shared async-http-offload "
        "--loop uvloop",
        "study run sync-http-shared async-http-shared async-http-sync-shared async-http-offload "
        "--loop uvloop --users 100 --spawn-rate 100 --delay 200ms --duration 5s",
    ),
    Experiment(
        "classic",
        "study run sync-http async-http async-http-sync",
        "study run sync-http async-http-sync --users 60 --spawn-rate 60 --delay 100ms "
        "--duration 4s --worker-timeout 3",
    ),
    Experiment(
        "few",
        "study sweep sync-http-shared async-http-shared --delay 10ms,100ms,1s --users 20 --pool 40 "
        "--duration 10s",
        "study sweep sync-http-shared async-http-shared --delay 100ms,1s --users 20 --pool 40 "
        "--duration 3s --spawn-rate 20",
    ),
    Experiment(
        "many",
        "study sweep sync-http-shared async-http-shared --delay 10ms,100ms,1s --users 500 "
        "--pool 40 --duration 15s",
        "study sweep sync-http-shared async-http-shared --delay 10ms,1s --users 200 --pool 40 "
        "--duration 5s --spawn-rate 100",
    ),
    Experiment(
        "many-aiohttp",
        "study sweep async-http-shared --client aiohttp --delay 10ms,100ms,1s --users 500 "
        "--duration 15s",
        "study sweep async-http-shared --client aiohttp --delay 10ms,1s --users 200 "
        "--duration 4s --spawn-rate 100",
    ),
    Experiment(
        "many-bounded",
        "study sweep async-http-shared --client-connections 40 --delay 10ms,100ms --users 500 "
        "--duration 15s",
        "study sweep async-http-shared --client-connections 40 --delay 10ms,100ms --users 200 "
        "--duration 4s --spawn-rate 100",
    ),
    Experiment(
        "pool",
        "study sweep sync-http-shared --pool 10,40,100,250,500 --users 500 --delay 200ms "
        "--duration 10s",
        "study sweep sync-http-shared --pool 10,40,100,500 --users 500 --delay 50ms --duration 4s "
        "--spawn-rate 250",
    ),
    Experiment("full-pool", "study run full-pool", "study run full-pool --duration 4s"),
    Experiment("rare", "study run rare", "study run rare --duration 4s"),
    Experiment("executor", "study run executor", "study run executor --duration 5s"),
    Experiment("background", "study run background", "study run background --duration 5s"),
    Experiment("clients", "study run clients", "study run clients --users 50 --duration 3s"),
    Experiment("cpu", "study run cpu", "study run cpu --duration 4s"),
    Experiment("disk", "study run disk disk-large", "study run disk disk-large --duration 3s"),
    Experiment(
        "database",
        "study run users-sync-psycopg users-async-psycopg tasks-pool tasks-per-request",
        "study run users-sync-psycopg users-async-psycopg tasks-pool tasks-per-request "
        "--duration 3s",
    ),
    Experiment("nothing", "study run nothing", "study run nothing --duration 3s"),
    Experiment("stream", "study run stream", "study run stream --duration 3s"),
    Experiment("layers", "study run layers", "study run layers --duration 3s"),
    Experiment(
        "terminal",
        "study run ping-uvicorn ping-log-terminal",
        "study run ping-uvicorn ping-log-terminal --duration 3s --spawn-rate 25",
    ),
)


def normalize_command(command: str) -> tuple[str, ...]:
    """What makes the command the experiment that it is."""
    kept, skip = list[str](), False
    for word in shlex.split(command):
        option = word.split("=")[0]
        if skip:
            skip = False
        elif option in MINE_ALONE:
            skip = MINE_ALONE[option] and "=" not in word
        else:
            kept.append(word)
    return tuple(kept)


def find_experiment(command: str) -> Experiment | None:
    """The one that was run by that command. A quick run has other settings than the text speaks
    of, and is none."""
    words = normalize_command(command)
    return next((each for each in EXPERIMENTS if words == normalize_command(each.command)), None)
