"""Each client library in each of its forms against the real upstream: one contract for all."""

import asyncio
import gc
import sys
import warnings
from collections.abc import Iterator

import pytest

from app.clients import UpstreamClient
from app.settings import Life, read_settings
from app.systems.upstream_errors import UpstreamError
from scenarios.model import FORMS_OF, Form, Library
from stress.machine import find_free_port
from tests.process.test_upstream_contract import Upstream, running

pytestmark = pytest.mark.slow
untimed = pytest.mark.untimed
forms = pytest.mark.parametrize(
    ("library", "form"),
    [(library, form) for library, forms_of in FORMS_OF.items() for form in forms_of],
)
lives = pytest.mark.parametrize("life", ["shared", "per-request"])


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with running([sys.executable, "-m", "slow_upstream"]) as started:
        yield started


def make_client(library: Library, port: int, **variables: str) -> UpstreamClient:
    """Shared, with a delay of 100 ms, unless the variables say otherwise."""
    usual = {"APP_CLIENT_LIFE": "shared", "APP_DELAY_MS": "100", "APP_CLIENT_TIMEOUT_MS": "20000"}
    url = f"http://127.0.0.1:{port}"
    return UpstreamClient(
        read_settings({**usual, "APP_CLIENT": library, "APP_UPSTREAM_URL": url, **variables})
    )


def ask(client: UpstreamClient, form: Form, times: int) -> list[int]:
    """The statuses of so many requests at once, in ascending order: 200, or what the app would
    answer. Whatever warns, also when all is closed and collected, fails."""

    async def ask_once() -> int:
        try:
            body = await (
                client.fetch_async() if form == "awaiting" else asyncio.to_thread(client.fetch)
            )
        except UpstreamError as error:
            return error.status
        assert body.startswith(b"Waited for ")
        return 200

    async def ask_all() -> list[int]:
        async with client.open_clients():
            return await asyncio.gather(*(ask_once() for _ in range(times)))

    with warnings.catch_warnings(record=True, action="always") as warned:
        found = asyncio.run(ask_all())
        gc.collect()
    assert [str(each.message) for each in warned] == []
    return sorted(found)


@untimed
@forms
@lives
def test_it_answers_and_closes_without_a_warning(
    library: Library, form: Form, life: Life, upstream: Upstream
) -> None:
    assert ask(make_client(library, upstream.port, APP_CLIENT_LIFE=life), form, 4) == [200] * 4
    assert upstream.when(lambda stats: stats.in_flight == 0).served == 4


@untimed
@forms
@lives
def test_an_upstream_that_is_late_is_a_504(
    library: Library, form: Form, life: Life, upstream: Upstream
) -> None:
    late = {"APP_CLIENT_LIFE": life, "APP_DELAY_MS": "5000", "APP_CLIENT_TIMEOUT_MS": "200"}
    assert ask(make_client(library, upstream.port, **late), form, 2) == [504] * 2
    assert upstream.when(lambda stats: stats.in_flight == 0).served == 0


@untimed
@forms
@lives
def test_an_upstream_that_refuses_is_a_502(library: Library, form: Form, life: Life) -> None:
    client = make_client(library, find_free_port(0), APP_CLIENT_LIFE=life)
    assert ask(client, form, 2) == [502] * 2


@untimed
@forms
def test_no_more_connections_are_used_than_it_may_have(
    library: Library, form: Form, upstream: Upstream
) -> None:
    client = make_client(library, upstream.port, APP_CLIENT_CONNECTIONS="2")
    assert ask(client, form, 4) == [200] * 4
    assert upstream.stats().in_flight_peak == 2


@forms
def test_the_wait_for_a_connection_has_the_timeout_for_itself(
    library: Library, form: Form, upstream: Upstream
) -> None:
    """One connection, 500 ms a request, 800 ms of patience: the second waits 500 ms and has its
    answer after 1000; the third and the fourth give up waiting. Not with httpx: a connection that
    becomes free is given to all that wait, and those who come too late wait anew (httpcore 1.0.9,
    `_assign_requests_to_connections`); its successor has mended that."""
    client = make_client(
        library,
        upstream.port,
        APP_CLIENT_CONNECTIONS="1",
        APP_DELAY_MS="500",
        APP_CLIENT_TIMEOUT_MS="800",
    )
    gave_up = 200 if library == "httpx" else 504
    assert ask(client, form, 4) == [200, 200, gave_up, gave_up]
    assert upstream.stats().in_flight_peak == 1
