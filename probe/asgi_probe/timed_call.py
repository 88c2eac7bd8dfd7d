"""Times the steps of the app's own coroutine, on a loop whose handles cannot be timed (uvloop).

Code that runs in another task or in a callback is not among them: the watchdog's samples have to do
for it. What looks through a waiting task from outside (`Task.print_stack`) ends at this."""

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
        """As `yield from coroutine` would (PEP 380), each step timed."""
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
            except BaseException as thrown:  # a cancellation belongs to the app
                error = thrown
