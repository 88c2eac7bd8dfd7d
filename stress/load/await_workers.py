"""Waits until the load workers of other machines have come to Locust's master."""

from time import monotonic, sleep

from scenarios.errors import UserError, build_cannot_run_error
from stress.interruption import CellInterruptedError
from stress.load.protocol import LoadProgress, read_progress
from stress.processes import Process
from stress.runtime import MASTER_PORT, CellRun, Distribution, PhaseProgress, Runtime
from stress.stack import Stack

WAITING = "waiting for load workers"
POLL_S = 0.05
TELL_EVERY_S = 0.5


def await_load_workers(cell: CellRun, runtime: Runtime, stack: Stack, load: Process) -> None:
    """Raises UserError when too few come, CellInterruptedError when there is nothing to wait for
    any more."""
    distribution = runtime.distribution
    assert distribution is not None
    deadline_s, reported_s = monotonic() + distribution.wait_s, 0.0
    while (progress := read_progress(cell.directory.raw)).ready < distribution.expect_workers:
        now_s = monotonic()
        if reason := runtime.interruption.reason or stack.find_ended_process():
            raise CellInterruptedError(reason)
        if load.get_exit_code() is not None:
            raise build_cannot_run_error(
                f"the load's master ended by itself: {load.read_last_log_line()}"
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
        f"{progress.ready} of {distribution.expect_workers} load workers came within "
        f"{distribution.wait_s:g} s"
    )
    if progress.refused:
        came += (
            f", and one was refused: it has {progress.refused} (bring its machine to this "
            "revision and run setup.sh there)"
        )
    return build_cannot_run_error(
        f"{came}; start the others with: {format_worker_command(distribution)}"
    )


def format_worker_command(distribution: Distribution) -> str:
    """To be typed on the other machines."""
    port = "" if distribution.master_port == MASTER_PORT else f":{distribution.master_port}"
    return f"study load-worker --master {distribution.listen}{port}"
