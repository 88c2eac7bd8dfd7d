"""Which requests the threads of a ThreadPoolExecutor work for, and what waits for one of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from .request_record import WorkSpan, current


def instrument_executors() -> None:
    """Notes for which request a thread of any ThreadPoolExecutor works, asyncio's default one
    among them. Does nothing the second time."""
    original = ThreadPoolExecutor.submit
    if hasattr(original, "probe_original"):
        return

    def submit(
        self: ThreadPoolExecutor,
        function: Callable[..., object],
        /,
        *args: object,
        **options: object,
    ) -> Future[object]:
        record = current.get()
        if record is None:
            return original(self, function, *args, **options)

        def call_noted() -> object:
            span = WorkSpan(record, monotonic())
            try:
                return function(*args, **options)
            finally:
                span.ended_s = monotonic()

        return original(self, call_noted)

    vars(futures)["ThreadPoolExecutor"].submit = submit
    submit.probe_original = original  # type: ignore[attr-defined]
