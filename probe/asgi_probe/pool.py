"""Sees which thread of anyio's pool runs an endpoint, and how long requests wait for tokens."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Protocol, cast

from .request_record import current, is_endpoint_call, record_thread_start


class LimiterStatistics(Protocol):
    total_tokens: float
    borrowed_tokens: int
    tasks_waiting: int


class Limiter(Protocol):
    def statistics(self) -> LimiterStatistics: ...


RunSync = Callable[..., Awaitable[object]]


def instrument_pool() -> bool:
    """Wraps `anyio.to_thread.run_sync`, which Starlette and FastAPI call by its module.

    Returns False where anyio is not installed. Wrapping twice does nothing.
    """
    try:
        import anyio.to_thread as to_thread
    except ImportError:
        return False
    if not hasattr(to_thread.run_sync, "probe_original"):
        vars(to_thread)["run_sync"] = wrap_run_sync(cast(RunSync, to_thread.run_sync))
    return True


def get_default_limiter() -> Limiter:
    """The pool of the running loop; call it on the loop."""
    from anyio.to_thread import current_default_thread_limiter

    return cast(Limiter, current_default_thread_limiter())


def wrap_run_sync(original: RunSync) -> RunSync:
    async def run_sync(function: Callable[..., object], *args: object, **options: object) -> object:
        visit = current.get()
        if visit is None:
            return await original(function, *args, **options)
        asked_s = monotonic()
        is_endpoint = is_endpoint_call(function, visit.scope.get("endpoint"))
        if is_endpoint:
            visit.queued_s = asked_s

        def timed(*given: object) -> object:
            started_s = monotonic()
            visit.pool_wait_s += started_s - asked_s
            if not is_endpoint:
                return function(*given)
            record_thread_start(visit, started_s)
            try:
                return function(*given)
            finally:
                visit.ended_s = monotonic()

        return await original(timed, *args, **options)

    run_sync.probe_original = original  # type: ignore[attr-defined]
    return run_sync
