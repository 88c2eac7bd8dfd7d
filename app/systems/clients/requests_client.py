"""requests, which can only block. It has the timeouts of urllib3, except that it waits for a free
connection without a timeout. `Turns` adds one."""

from collections.abc import Iterator
from contextlib import contextmanager

from requests import RequestException, Session, Timeout
from requests.adapters import HTTPAdapter

from app.systems.clients.base import Get, Library, Limits, Reply
from app.systems.clients.turns import Turns


@contextmanager
def open_blocking(limits: Limits) -> Iterator[Get]:
    turns, timeout_s = Turns(limits), limits.timeout_s
    with Session() as session:
        session.mount("http://", HTTPAdapter(pool_maxsize=limits.connections))

        def get(url: str, headers: dict[str, str]) -> Reply:
            with turns.take():
                answer = session.get(url, headers=headers, timeout=timeout_s)
                return answer.status_code, answer.content

        yield get


LIBRARY = Library(
    errors=(RequestException, TimeoutError),
    is_timeout=lambda error: isinstance(error, (Timeout, TimeoutError)),
    open_blocking=open_blocking,
)
