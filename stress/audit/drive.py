"""Runs the load of an audit: planned requests, the user's locustfile, or the user's own traffic."""

from collections.abc import Callable
from math import isinf
from time import monotonic

from records.audit import APP_ENDED, Phase
from scenarios.errors import UserError
from scenarios.units import Second
from stress.audit.ask import RequestPlan
from stress.audit.client import run_in_loop
from stress.audit.drive_locustfile import drive_locustfile
from stress.audit.driven import (
    IN_BACKGROUND,
    AuditLoad,
    Driven,
    Show,
    build_asked_table,
)
from stress.audit.kept_rows import KeptRows
from stress.audit.load_driver import LoadDriver
from stress.interruption import CellInterruptedError, Interruption
from stress.machine import raise_own_descriptor_limit

__all__ = ["IN_BACKGROUND", "AuditLoad", "Driven", "drive_requests"]

LATE_S: Second = 0.1
OWN_TRAFFIC = "your own traffic"
PER_USER, SPARE_DESCRIPTORS = 2, 64
"""Descriptors of a user: a connection and a websocket; and those of the study itself."""


def drive_requests(
    url: str,
    plan: RequestPlan,
    load: AuditLoad,
    interruption: Interruption,
    show: Show,
    is_alive: Callable[[], bool] = lambda: True,
) -> Driven:
    """Run the load. Return the measurements even if the load is interrupted or the app ends. Raises
    UserError if no route can be driven, or if the system allows too few open files."""
    if plan.is_own_traffic:
        return await_own_traffic(load, interruption, show, is_alive)
    if plan.locustfile is not None:
        return drive_locustfile(url, plan, load, interruption, show, is_alive)
    if not plan.asks:
        raise UserError("No request to send; give one with --request 'GET /items/1'")
    driver = LoadDriver(url, plan, load, show, kept=KeptRows(load.kept))
    interrupted = None

    def check() -> None:
        interruption.check()
        if not is_alive():
            raise CellInterruptedError(APP_ENDED)

    try:
        with raise_own_descriptor_limit(SPARE_DESCRIPTORS + PER_USER * (load.users + 1)):
            run_in_loop(driver.run(), check)
    except CellInterruptedError as error:
        interrupted = str(error)
    warnings = (*driver.warnings, *describe_pauses(driver.latest_beat_s))
    rows, asks = build_asked_table(driver.rows), tuple(driver.driven)
    return Driven(rows, tuple(driver.phases), warnings, interrupted, asks)


def describe_pauses(longest_s: Second) -> tuple[str, ...]:
    if longest_s <= LATE_S:
        return ()
    return (
        f"The load generator itself paused for up to {longest_s * 1000:.0f} ms; latencies may be "
        "too high by that much.",
    )


def await_own_traffic(
    load: AuditLoad, interruption: Interruption, show: Show, is_alive: Callable[[], bool]
) -> Driven:
    """Wait until Ctrl-C, the usual end, until the load's duration is over, or until the app ends.
    There are no rows, since the clients are the user's."""
    limited = f"the audit ends after {load.duration_s:g} s, or at Ctrl-C"
    end = "Ctrl-C ends the audit" if isinf(load.duration_s) else limited
    show(f"Send your own requests now; {end}.")
    began_s, interrupted = monotonic(), None
    try:
        if interruption.poll(lambda: not is_alive(), load.duration_s):
            interrupted = APP_ENDED
    except CellInterruptedError:
        pass
    phase = Phase(OWN_TRAFFIC, began_s - load.t0_s, monotonic() - load.t0_s, 0)
    return Driven(build_asked_table([]), (phase,), interrupted=interrupted)
