"""Sees which thread of anyio's pool runs an endpoint, and how long requests wait for tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import cast

from .request_record import current, is_endpoint_call, record_thread_start

RunSync = Callable[..., Awaitable[object]]


def instrument_pool() -> None:
    """Wraps `anyio.to_thread.run_sync`, which Starlette and FastAPI call by its module. Does
    nothing where anyio is not installed, or the second time."""
    try:
        import anyio.to_thread as to_thread
    except ImportError:
        return
    if not hasattr(to_thread.run_sync, "probe_original"):
        vars(to_thread)["run_sync"] = wrap_run_sync(cast(RunSync, to_thread.run_sync))


def wrap_run_sync(original: RunSync) -> RunSync:
    async def run_sync(function: Callable[..., object], *args: object, **options: object) -> object:
        record = current.get()
        if record is None:
            return await original(function, *args, **options)
        asked_s = monotonic()
        is_endpoint = is_endpoint_call(function, record.scope.get("endpoint"))
        if is_endpoint:
            record.queued_s = asked_s

        def call_timed(*given: object) -> object:
            started_s = monotonic()
            record.pool_wait_s += started_s - asked_s
            if not is_endpoint:
                return function(*given)
            record_thread_start(record, started_s)
            try:
                return function(*given)
            finally:
                record.ended_s = monotonic()

        return await original(call_timed, *args, **options)

    run_sync.probe_original = original  # type: ignore[attr-defined]
    return run_sync
