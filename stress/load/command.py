"""Starts the load: Locust's command line, its plan, and the wait for remote load workers."""

import json
import site
import sys
from dataclasses import asdict, replace
from pathlib import Path
from time import monotonic, sleep

from scenarios.errors import UserError, build_cannot_run_error
from stress.interruption import POLL_S, CellInterruptedError
from stress.load.protocol import PLAN_OPTION, LoadPlan, LoadProgress, read_progress
from stress.places import ROOT
from stress.plan import HOST, Command
from stress.processes import Process
from stress.runtime import (
    MASTER_PORT,
    TELL_EVERY_S,
    CellRun,
    Distribution,
    PhaseProgress,
    Runtime,
)
from stress.stack import Stack

WAITING = "waiting for load workers"
LOCUST = (
    sys.executable, "-m", "locust", f"--locustfile={ROOT / 'stress/load/locustfile.py'}",
    "--loglevel=WARNING", "--exit-code-on-error=0",
)  # fmt: skip
USER_CLASSES = {"fast": "ClosedLoopFastUser", "requests": "ClosedLoopRequestsUser"}
"""The locustfile's classes for a closed loop."""


def build_load_plan(cell: CellRun, port: int, distribution: Distribution | None) -> LoadPlan:
    """Build the plan of the load processes. port: the server's."""
    scenario, load = cell.scenario, cell.scenario.load
    if distribution is not None:
        load = replace(load, processes=distribution.expect_workers)
    return LoadPlan(
        host=scenario.url or f"http://{distribution.listen if distribution else HOST}:{port}",
        endpoint=scenario.endpoint,
        rare=scenario.rare,
        load=load,
        cell_number=cell.number,
        folder=str(cell.directory.raw),
        timeout_s=cell.windows.load_timeout_s,
        distributed=distribution is not None,
        shows_bodies=scenario.url is None and not scenario.server.has_users_app,
    )


def build_load_command(
    cell: CellRun, port: int, master_port: int, distribution: Distribution | None = None
) -> Command:
    """Build Locust's headless command. master_port: where several local processes connect."""
    plan = build_load_plan(cell, port, distribution)
    load = plan.load
    users = load.processes if load.is_open else load.users
    spawn_rate = float(load.processes) if load.is_open else load.spawn_rate
    argv = (
        *LOCUST,
        "OpenLoopUser" if load.is_open else USER_CLASSES[load.user_class],
        "--headless",
        f"--users={users}",
        f"--spawn-rate={spawn_rate:g}",
        "--only-summary",
        *build_distributed_options(load.processes, master_port, distribution),
        f"{PLAN_OPTION}={json.dumps(asdict(plan))}",
    )
    return Command("load", argv, cell.directory.raw, build_environment(cell.directory.raw))


def build_distributed_options(
    processes: int, master_port: int, distribution: Distribution | None
) -> tuple[str, ...]:
    """Build Locust's options for several load processes. Locust waits only for the first worker.
    The locustfile waits for all of them: it knows which ones have the right version."""
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
    """Build the command of a load worker, which gets its plan from the master."""
    argv = (*LOCUST, "--worker", f"--master-host={master}", f"--master-port={port}")
    return Command("load", argv, folder, build_environment(folder))


def build_environment(folder: Path) -> dict[str, str]:
    """Return the load's variables. Locust always reads ~/.locust.conf, which may change the load:
    the folder is its home. A user's Python packages stay where they are."""
    return {"PYTHONPATH": str(ROOT), "HOME": str(folder), "PYTHONUSERBASE": site.getuserbase()}


def await_load_workers(cell: CellRun, runtime: Runtime, stack: Stack, load: Process) -> None:
    """Wait for the load workers. Raises UserError if too few connect, CellInterruptedError if the
    run or the server ends first."""
    distribution = runtime.distribution
    assert distribution is not None
    deadline_s, reported_s = monotonic() + distribution.wait_s, 0.0
    while (progress := read_progress(cell.directory.raw)).ready < distribution.expect_workers:
        now_s = monotonic()
        if reason := runtime.interruption.reason or stack.find_ended_process():
            raise CellInterruptedError(reason)
        if load.get_exit_code() is not None:
            raise build_cannot_run_error(
                f"the load's master ended by itself: {load.read_last_words()}"
            )
        if now_s > deadline_s:
            raise build_too_few_error(progress, distribution)
        if now_s - reported_s >= TELL_EVERY_S:
            reported_s, left_s = now_s, deadline_s - now_s
            name = cell.scenario.name
            runtime.listener(PhaseProgress(name, WAITING, left_s, progress, deaths=0))
        sleep(POLL_S)


def build_too_few_error(progress: LoadProgress, distribution: Distribution) -> UserError:
    came = (
        f"{progress.ready} of {distribution.expect_workers} load workers connected within "
        f"{distribution.wait_s:g} s"
    )
    if progress.refused:
        came += (
            f", and one was refused: it has {progress.refused} (update its machine to this "
            "revision and run setup.sh there)"
        )
    port = "" if distribution.master_port == MASTER_PORT else f":{distribution.master_port}"
    return build_cannot_run_error(
        f"{came}; start the others with: study load-worker --master {distribution.listen}{port}"
    )
