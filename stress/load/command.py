"""How the load is started: Locust's command line, and what its processes are to do. Pure."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

from scenarios.model import Scenario
from stress.load.protocol import PLAN_OPTION, LoadPlan
from stress.places import ROOT
from stress.plan import HOST, Command, plan_windows
from stress.runtime import CellRun, Distribution

LOCUST = (sys.executable, "-m", "locust", f"--locustfile={ROOT / 'stress/load/locustfile.py'}")


def build_load_plan(cell: CellRun, port: int, distribution: Distribution | None) -> LoadPlan:
    """`port`: the server's."""
    scenario, load = cell.scenario, cell.scenario.load
    return LoadPlan(
        host=scenario.url or f"http://{distribution.listen if distribution else HOST}:{port}",
        path=scenario.endpoint.path,
        method=scenario.endpoint.method,
        body=scenario.endpoint.body,
        keep_alive=load.keep_alive,
        cell_number=cell.number,
        folder=str(cell.directory.raw),
        think_s=load.think_s,
        timeout_s=plan_windows(scenario).load_timeout_s,
        users=load.users,
        spawn_rate=load.spawn_rate,
        processes=distribution.expect_workers if distribution else load.processes,
        arrival_rate=load.arrival_rate,
        arrivals=load.arrivals,
        rare_path=scenario.rare.path if scenario.rare else None,
        rare_one_in=scenario.rare.one_in if scenario.rare else 0,
        distributed=distribution is not None,
    )


def build_load_command(
    cell: CellRun, port: int, master_port: int, distribution: Distribution | None = None
) -> Command:
    """Locust, headless. `master_port` is where its processes meet, if there are several here."""
    load, plan = cell.scenario.load, build_load_plan(cell, port, distribution)
    users = plan.processes if load.is_open else load.users
    spawn_rate = float(plan.processes) if load.is_open else load.spawn_rate
    argv = (
        *LOCUST,
        choose_user_class(cell.scenario),
        "--headless",
        f"--users={users}",
        f"--spawn-rate={spawn_rate:g}",
        "--only-summary",
        "--loglevel=WARNING",
        "--exit-code-on-error=0",
        *build_distributed_options(load.processes, master_port, distribution),
        f"{PLAN_OPTION}={json.dumps(asdict(plan))}",
    )  # fmt: skip
    return Command("load", argv, cell.directory.raw, {"PYTHONPATH": str(ROOT)})


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


def build_load_worker_command(folder: Path, master: str, port: int) -> Command:
    """A load process that asks the master at that address what to do."""
    argv = (
        *LOCUST,
        "--worker",
        f"--master-host={master}",
        f"--master-port={port}",
        "--loglevel=WARNING",
        "--exit-code-on-error=0",
    )  # fmt: skip
    return Command("load", argv, folder, {"PYTHONPATH": str(ROOT)})
