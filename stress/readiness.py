"""Whether what was started is ready: polled, never guessed."""

from collections.abc import Callable
from time import monotonic, sleep
from urllib.request import ProxyHandler, build_opener

from scenarios.errors import build_cannot_run_error
from stress import plan
from stress.interruption import CellInterruptedError, Interruption
from stress.processes import POLL_S, Process, describe_exit_code

READY_WITHIN_S = 30.0
opened = build_opener(ProxyHandler({})).open


def wait_until(ready: Callable[[], bool], process: Process, interruption: Interruption) -> None:
    """Polls until ready. Raises UserError when the process ends or takes too long."""
    deadline_s = monotonic() + READY_WITHIN_S
    while not ready():
        if interruption.reason:
            raise CellInterruptedError(interruption.reason)
        code = process.get_exit_code()
        if code is not None or monotonic() > deadline_s:
            how = (
                "was not ready after 30 s"
                if code is None
                else f"ended ({describe_exit_code(code)})"
            )
            raise build_cannot_run_error(
                f"the {process.role} {how}: "
                f"{process.read_last_log_line()} (all of it: {process.log})"
            )
        sleep(POLL_S)


def is_answering(port: int, host: str = plan.HOST) -> bool:
    try:
        with opened(f"http://{host}:{port}/ping", timeout=2) as answer:
            return int(answer.status) == 200
    except OSError:
        return False
