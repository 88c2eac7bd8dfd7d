"""Waits until the load workers of other machines have come to Locust's master."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from scenarios.errors import UserError, build_cannot_run_error
from scenarios.units import Second
from stress.interruption import CellInterruptedError
from stress.load_plan import MASTER_PORT, Distribution
from stress.processes import Process
from stress.protocol import LoadProgress, read_progress

WAITING = "waiting for load workers"
POLL_S = 0.05
TELL_EVERY_S = 0.5


def await_load_workers(
    load: Process,
    folder: Path,
    distribution: Distribution,
    broken: Callable[[], str | None],
    tell: Callable[[Second, LoadProgress], None],
) -> None:
    """`broken` says why there is nothing to wait for any more. Raises UserError when too few come,
    CellInterruptedError when broken; then the load's master is ended."""
    try:
        _poll_until_ready(load, folder, distribution, broken, tell)
    except BaseException:
        load.end()
        raise


def _poll_until_ready(
    load: Process,
    folder: Path,
    distribution: Distribution,
    broken: Callable[[], str | None],
    tell: Callable[[Second, LoadProgress], None],
) -> None:
    deadline_s, told_s = monotonic() + distribution.wait_s, 0.0
    while (progress := read_progress(folder)).ready < distribution.expect_workers:
        now_s = monotonic()
        if reason := broken():
            raise CellInterruptedError(reason)
        if load.get_exit_code() is not None:
            raise build_cannot_run_error(
                f"the load's master ended by itself: {load.read_last_log_line()}"
            )
        if now_s > deadline_s:
            raise build_too_few_error(progress, distribution)
        if now_s - told_s >= TELL_EVERY_S:
            told_s = now_s
            tell(deadline_s - now_s, progress)
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
