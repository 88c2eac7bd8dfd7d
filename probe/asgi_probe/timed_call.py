"""Times the steps of the app's own coroutine on a loop whose handles cannot be timed (uvloop).

Code in other tasks and callbacks is not timed: only the watchdog's samples show it. The stack of a
waiting task (`Task.print_stack`) ends here."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from time import monotonic

from .blocks import BLOCKED_AFTER_S, LoopWatch
from .request_record import RequestRecord, current
from .routes import App, Receive, Scope, Send

NO_REQUEST = object()
"""Stands for the app's lifespan."""


def wrap_app(app: App, watch: LoopWatch) -> App:
    def call_timed(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        call = app(scope, receive, send)
        return TimedCall(call, current.get(), watch) if isinstance(call, Coroutine) else call

    return call_timed


class TimedCall:
    __slots__ = ("coroutine", "running", "watch")

    def __init__(
        self,
        coroutine: Coroutine[object, object, None],
        record: RequestRecord | None,
        watch: LoopWatch,
    ) -> None:
        self.coroutine = coroutine
        self.running = record or NO_REQUEST
        self.watch = watch

    def __await__(self) -> Generator[object, object, None]:
        """Act like `yield from coroutine` (PEP 380), and time each step."""
        coroutine, watch, running = self.coroutine, self.watch, self.running
        given: object = None
        error: BaseException | None = None
        while True:
            watch.began_s = began_s = monotonic()
            watch.running = running
            try:
                wanted = coroutine.send(given) if error is None else coroutine.throw(error)
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
