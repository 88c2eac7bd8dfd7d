"""A trial runs an `async def` endpoint in a thread: the response is that of the loop, or the report
says why it cannot be."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from asgi_probe import offload
from asgi_probe.attach_report import DIRECTORY_VARIABLE, TRIAL_VARIABLE
from asgi_probe.middleware import Probe
from asgi_probe.offload_hooks import offload_routes
from asgi_probe.routes import App, Receive, Scope, Send

pytest.importorskip("fastapi")

import fastapi.routing
from fastapi import FastAPI
from starlette import routing
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response
from starlette.routing import Route

from tests.probe.handover_support import Gate
from tests.probe.offload_app import happened, make_fastapi, make_starlette, ran_on
from tests.probe.support import ask

Offload = Callable[..., SimpleNamespace]
ON_LOOP, IN_POOL = "MainThread", "AnyIO"


@pytest.fixture(autouse=True)
def restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(routing, "request_response", routing.request_response)
    yield
    offload.offloads.clear()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Offload:
    """Call an app that `make` creates, in an audit; offload a route if one is given."""

    def run_app(make: Callable[[], object], *paths: str, route: str = "") -> SimpleNamespace:
        monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
        if route:
            monkeypatch.setenv(TRIAL_VARIABLE, json.dumps({"offload": route}))
            offload_routes(routing)
        del ran_on[:], happened[:]
        answers: list[SimpleNamespace] = []
        probe = Probe(make())  # type: ignore[arg-type]

        async def call() -> None:
            answers.extend([await ask_safely(probe, path) for path in paths])

        asyncio.run(call())
        probe.stop()
        (path,) = tmp_path.glob("attach-*.json")
        trial = json.loads(path.read_text())["trial"]
        return SimpleNamespace(
            answers=answers, ran_on=list(ran_on), happened=list(happened), trial=trial
        )

    return run_app


async def ask_safely(app: App, path: str) -> SimpleNamespace:
    try:
        return await ask(app, path)
    except Exception as error:  # the server's to handle
        return SimpleNamespace(error=repr(error))


FASTAPI_ROUTES = [
    ("/report", "/report"),
    ("/model", "/model"),
    ("/missing", "/missing"),
    ("/teapot", "/teapot"),
    ("/stop", "/stop"),
    ("/dependent", "/dependent"),
    ("/refused", "/refused"),
    ("/direct", "/direct"),
    ("/parts/{count}", "/parts/3"),
    ("/object", "/object"),
    ("/method", "/method"),
    ("/partial", "/partial"),
    ("/outer/router/report", "/outer/router/report"),
    ("/sub/report", "/sub/report"),
]
STARLETTE_ROUTES = [
    ("/plain", "/plain"),
    ("/plain/{name}", "/plain/ada"),
    ("/number/{number}", "/number/7"),
    ("/number/{number:int}", "/number/7"),
    ("/fail", "/fail"),
    ("/partial", "/partial"),
    ("/page", "/page"),
    ("/page", "HEAD /page"),
    ("/sub/plain", "/sub/plain"),
]


@pytest.mark.parametrize(
    ("make", "route", "path"),
    [(make_fastapi, *each) for each in FASTAPI_ROUTES]
    + [(make_starlette, *each) for each in STARLETTE_ROUTES],
)
def test_an_endpoint_answers_in_a_thread_as_it_does_on_the_loop(
    run: Offload, make: Callable[[], object], route: str, path: str
) -> None:
    on_loop = run(make, path, path)
    in_pool = run(make, path, path, route=route)
    assert (on_loop.ran_on, in_pool.ran_on) == ([ON_LOOP] * 2, [IN_POOL] * 2)
    assert (in_pool.answers, in_pool.happened) == (on_loop.answers, on_loop.happened)
    assert in_pool.trial["applied"]
    assert in_pool.trial["invalid"] is None


@pytest.mark.parametrize(
    ("make", "routes"), [(make_fastapi, FASTAPI_ROUTES), (make_starlette, STARLETTE_ROUTES)]
)
def test_only_the_route_of_the_trial_runs_in_a_thread(
    run: Offload, make: Callable[[], object], routes: list[tuple[str, str]]
) -> None:
    found = run(make, *(path for _, path in routes), route=routes[-1][0])
    assert found.ran_on == [ON_LOOP] * (len(routes) - 1) + [IN_POOL]


async def wait() -> None:
    await asyncio.sleep(0)


async def list_all() -> list[int]:
    return [each async for each in count()]


async def loop_over() -> None:
    async for _ in count():
        pass


async def enter() -> None:
    async with asyncio.Lock():
        pass


async def count() -> AsyncIterator[int]:
    yield 1


def work() -> None: ...


@pytest.mark.parametrize(
    ("endpoint", "reason"),
    [
        (wait, "wait (test_offload.py:{line}) awaits in line {next}"),
        (list_all, "list_all (test_offload.py:{line}) awaits in line {next}"),
        (loop_over, "loop_over (test_offload.py:{line}) awaits in line {next}"),
        (enter, "enter (test_offload.py:{line}) awaits in line {next}"),
        (work, "work (test_offload.py:{line}) is not an async def"),
    ],
)
def test_what_cannot_be_moved_answers_and_says_why(
    run: Offload, endpoint: Callable[[], object], reason: str
) -> None:
    def make() -> FastAPI:
        app = FastAPI()
        app.get("/it")(endpoint)
        return app

    found = run(make, "/it", route="/it")
    assert [each.status for each in found.answers] == [200]
    line = endpoint.__code__.co_firstlineno
    assert found.trial["invalid"].startswith(reason.format(line=line, next=line + 1))


def test_a_class_that_awaits_says_why(run: Offload) -> None:
    class Slow(HTTPEndpoint):
        async def get(self, _: object) -> Response:
            await wait()
            return Response("slow")

    found = run(lambda: Starlette(routes=[Route("/it", Slow)]), "HEAD /it", route="/it")
    assert found.answers[0].status == 200
    assert found.trial["invalid"].startswith("get (test_offload.py:")


def test_a_framework_sees_the_endpoint_of_the_app(
    run: Offload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FastAPI's telemetry reports it."""
    names: list[str] = []
    original = fastapi.routing.run_endpoint_function

    async def run_endpoint_function(*, dependant: SimpleNamespace, **options: object) -> object:
        names.append(dependant.call.__qualname__)
        return await original(dependant=dependant, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(fastapi.routing, "run_endpoint_function", run_endpoint_function)
    assert run(make_fastapi, "/report", route="/report").ran_on == [IN_POOL]
    assert names == ["make_fastapi.<locals>.report"]


def test_a_route_that_nobody_asks_for(run: Offload) -> None:
    found = run(make_fastapi, "/report", "/parts/x", "/nowhere", route="/parts/{count}")
    assert [each.status for each in found.answers] == [200, 422, 404]
    assert found.trial["invalid"] == "no request ran the endpoint of /parts/{count} in a thread"
    assert not found.trial["applied"]


async def ask_for_loop() -> None:
    asyncio.get_running_loop()


connection = sqlite3.connect(":memory:")


async def query() -> list[object]:
    return connection.execute("SELECT 1").fetchall()


@pytest.mark.parametrize("endpoint", [ask_for_loop, query])
def test_an_endpoint_that_needs_its_thread_makes_the_trial_invalid(
    run: Offload, endpoint: Callable[[], object]
) -> None:
    def make() -> FastAPI:
        app = FastAPI()
        app.get("/it")(endpoint)
        return app

    assert run(make, "/it").answers[0].status == 200
    found = run(make, "/it", route="/it")
    assert "Error" in found.answers[0].error
    line = endpoint.__code__.co_firstlineno + 1
    assert "the endpoint of /it fails in a thread: " in found.trial["invalid"]
    assert f"(test_offload.py:{line})" in found.trial["invalid"]


def test_a_cancelled_request_ends_with_its_thread(run: Offload) -> None:
    """A thread cannot be stopped. On the loop an endpoint that awaits nothing cannot either."""
    gate, left = Gate(), []

    async def slow() -> str:
        gate.enter()
        left.append("slow")
        return "done"

    def make() -> App:
        app = FastAPI()
        app.get("/slow")(slow)
        return cancel_in_thread(app, gate)

    found = run(make, "/slow", "/slow", route="/slow")
    assert [each.status for each in found.answers] == [200, 200]
    assert left == ["slow", "slow"]
    assert found.trial["invalid"] is None


def cancel_in_thread(app: App, gate: Gate) -> App:
    """Middleware cancels the first request while its endpoint is in its thread."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if gate.entered.is_set():
            await app(scope, receive, send)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(app, scope, receive, send)  # type: ignore[arg-type]
            await gate.wait_until_entered()
            group.cancel_scope.cancel()
            asyncio.get_running_loop().call_soon(gate.leave.set)

    return call


async def count_up() -> int:
    happened.append("counted")
    return len(happened)


def test_what_requests_share_is_warned_of(run: Offload) -> None:
    def make() -> FastAPI:
        app = FastAPI()
        app.get("/it")(count_up)
        return app

    (warning,) = run(make, "/it", "/it", route="/it").trial["warnings"]
    line = count_up.__code__.co_firstlineno + 1
    assert warning.startswith(f"count_up (test_offload.py:{line}) reads and changes happened")
