"""How the load is started: Locust's command line, and what its processes are to do. Pure."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from scenarios.model import Scenario
from scenarios.units import Second
from stress.plan import HOST, Command, plan_windows
from stress.protocol import PLAN_OPTION, LoadPlan

MASTER_PORT = 5557


@dataclass(frozen=True, slots=True)
class Distribution:
    """Load processes on other machines. listen: this machine's address, where they reach the
    measured server and Locust's master; beyond loopback, so can others."""

    expect_workers: int
    listen: str = HOST
    master_port: int = MASTER_PORT
    wait_s: Second = 60.0


def build_load_command(
    scenario: Scenario,
    root: Path,
    python: str,
    port: int,
    folder: Path,
    cell_number: int,
    master_port: int,
    distribution: Distribution | None = None,
) -> Command:
    """Locust, headless. `master_port` is where its processes meet, if there are several here."""
    load = scenario.load
    processes = distribution.expect_workers if distribution else load.processes
    plan = LoadPlan(
        host=scenario.url or f"http://{distribution.listen if distribution else HOST}:{port}",
        path=scenario.endpoint.path,
        method=scenario.endpoint.method,
        body=scenario.endpoint.body,
        keep_alive=load.keep_alive,
        cell_number=cell_number,
        folder=str(folder),
        think_s=load.think_s,
        timeout_s=plan_windows(scenario).longest_s + 60.0,
        users=load.users,
        spawn_rate=load.spawn_rate,
        processes=processes,
        arrival_rate=load.arrival_rate,
        arrivals=load.arrivals,
        rare_path=scenario.rare.path if scenario.rare else None,
        rare_one_in=scenario.rare.one_in if scenario.rare else 0,
        distributed=distribution is not None,
    )
    users = processes if load.is_open else load.users
    spawn_rate = float(processes) if load.is_open else load.spawn_rate
    argv = (
        python, "-m", "locust",
        f"--locustfile={root / 'stress' / 'locustfile.py'}",
        choose_user_class(scenario),
        "--headless",
        f"--users={users}",
        f"--spawn-rate={spawn_rate:g}",
        "--only-summary",
        "--loglevel=WARNING",
        "--exit-code-on-error=0",
        *build_distributed_options(load.processes, master_port, distribution),
        f"{PLAN_OPTION}={json.dumps(asdict(plan))}",
    )  # fmt: skip
    return Command("load", argv, folder, {"PYTHONPATH": str(root)})


def choose_user_class(scenario: Scenario) -> str:
    """Its name in the locustfile."""
    if scenario.load.is_open:
        return "OpenLoopUser"
    return {"fast": "ClosedLoopFastUser", "requests": "ClosedLoopRequestsUser"}[
        scenario.load.user_class
    ]


def build_distributed_options(
    processes: int, master_port: int, distribution: Distribution | None
) -> tuple[str, ...]:
    """Locust's options for more than one load process. Locust waits for the first; for all that
    are expected our locustfile does, which knows who fits."""
    if distribution is not None:
        return (
            "--master",
            f"--master-bind-host={distribution.listen}",
            f"--master-bind-port={distribution.master_port}",
            "--expect-workers=1",
        )
    if processes == 1:
        return ()
    return (
        f"--processes={processes}",
        f"--master-bind-port={master_port}",
        f"--master-port={master_port}",
        f"--master-bind-host={HOST}",
    )


def build_load_worker_argv(root: Path, python: str, master: str, port: int) -> tuple[str, ...]:
    """A load process that asks the master at that address what to do."""
    return (
        python, "-m", "locust",
        f"--locustfile={root / 'stress' / 'locustfile.py'}",
        "--worker",
        f"--master-host={master}",
        f"--master-port={port}",
        "--loglevel=WARNING",
        "--exit-code-on-error=0",
    )  # fmt: skip
