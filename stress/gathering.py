"""Waits until the load workers of other machines have come to Locust's master."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

from scenarios.problems import Problem, cannot_run
from scenarios.units import Second
from stress.interruption import CellInterruptedError
from stress.load_plan import MASTER_PORT, Distribution
from stress.processes import Process
from stress.protocol import Progress, read_progress

WAITING = "waiting for load workers"
POLL_S = 0.05
TELL_EVERY_S = 0.5


def await_load_workers(
    load: Process,
    folder: Path,
    distribution: Distribution,
    broken: Callable[[], str | None],
    tell: Callable[[Second, Progress], None],
) -> None:
    """`broken` says why there is nothing to wait for any more. Raises Problem when too few come,
    CellInterruptedError when broken; then the load's master is ended."""
    try:
        _wait(load, folder, distribution, broken, tell)
    except BaseException:
        load.end()
        raise


def _wait(
    load: Process,
    folder: Path,
    distribution: Distribution,
    broken: Callable[[], str | None],
    tell: Callable[[Second, Progress], None],
) -> None:
    deadline_s, told_s = monotonic() + distribution.wait_s, 0.0
    while (progress := read_progress(folder)).ready < distribution.expect_workers:
        now_s = monotonic()
        if reason := broken():
            raise CellInterruptedError(reason)
        if load.exit_code() is not None:
            raise cannot_run(f"the load's master ended by itself: {load.last_words()}")
        if now_s > deadline_s:
            raise too_few(progress, distribution)
        if now_s - told_s >= TELL_EVERY_S:
            told_s = now_s
            tell(deadline_s - now_s, progress)
        sleep(POLL_S)


def too_few(progress: Progress, distribution: Distribution) -> Problem:
    came = (
        f"{progress.ready} of {distribution.expect_workers} load workers came within "
        f"{distribution.wait_s:g} s"
    )
    if progress.refused:
        came += (
            f", and one was refused: it has {progress.refused} (bring its machine to this "
            "revision and run setup.sh there)"
        )
    return cannot_run(f"{came}; start the others with: {worker_command(distribution)}")


def worker_command(distribution: Distribution) -> str:
    """To be typed on the other machines."""
    port = "" if distribution.master_port == MASTER_PORT else f":{distribution.master_port}"
    return f"study load-worker --master {distribution.listen}{port}"
