"""urllib3, which can only block. `block=True` makes `maxsize` a limit. Without it, the pool opens
as many connections as requests need and keeps `maxsize` of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import EmptyPoolError, HTTPError, NewConnectionError, TimeoutError

from app.systems.clients.base import Get, Library, Limits, Reply


@contextmanager
def open_blocking(limits: Limits) -> Iterator[Get]:
    wait_s = limits.timeout_s
    timeout = Timeout(connect=wait_s, read=wait_s)
    with PoolManager(1, maxsize=limits.connections, block=True, retries=False) as pool:

        def get(url: str, headers: dict[str, str]) -> Reply:
            answer = pool.request("GET", url, headers=headers, timeout=timeout, pool_timeout=wait_s)
            return answer.status, answer.data

        yield get


def is_timeout(error: Exception) -> bool:
    """Return True if the upstream was too slow. urllib3 counts a refused connection as a timeout,
    and does not count a wait for a free one; this function does the opposite."""
    is_late = isinstance(error, (TimeoutError, EmptyPoolError))
    return is_late and not isinstance(error, NewConnectionError)


LIBRARY = Library(errors=(HTTPError,), is_timeout=is_timeout, open_blocking=open_blocking)
