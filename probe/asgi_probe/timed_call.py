"""Times the steps of the app's own coroutine on a loop whose handles cannot be timed (uvloop).

Code in other tasks and callbacks is not timed: only the watchdog's samples show it. The stack of a
waiting task (`Task.print_stack`) ends here."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from types import coroutine

from .blocks import BLOCKED_AFTER_S, LoopWatch
from .clocks import monotonic
from .request_record import RequestRecord

NO_REQUEST = object()
"""Stands for the app's lifespan."""


def time_call(
    call: Awaitable[None], record: RequestRecord | None, watch: LoopWatch
) -> Awaitable[None]:
    """Return the call with its steps timed; any awaitable but a coroutine is returned unchanged."""
    return time_steps(call, record or NO_REQUEST, watch) if isinstance(call, Coroutine) else call


@coroutine
def time_steps(
    call: Coroutine[object, object, None], running: object, watch: LoopWatch
) -> Generator[object, object, None]:
    """Act like `yield from call` (PEP 380), and time each step."""
    given: object = None
    error: BaseException | None = None
    while True:
        watch.began_s = began_s = monotonic()
        watch.running = running
        try:
            wanted = call.send(given) if error is None else call.throw(error)
        except StopIteration:
            return
        finally:
            watch.running = error = None
            ended_s = monotonic()
            if ended_s - began_s >= BLOCKED_AFTER_S:
                watch.note_end(running, began_s, ended_s)
        try:
            given = yield wanted
        except BaseException as thrown:  # such as a cancellation: passed on to the app
            error = thrown
