"""Changes that an audit tries without editing the service: they are applied, they override the
app's settings, and the report has the outcome."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import anyio.to_thread
import pytest
from asgi_probe.attach_report import DIRECTORY_VARIABLE, TRIAL_VARIABLE
from asgi_probe.middleware import Probe
from asgi_probe.routes import App, Message, Receive, Scope, Send

from tests.probe.support import Calls, ask, get

Try = Callable[..., SimpleNamespace]


@pytest.fixture
def try_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Try:
    """Run calls against an app in an audit that tries a change; return the report's trial."""
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))

    def run(app: App, calls: Calls, **change: object) -> SimpleNamespace:
        if change:
            monkeypatch.setenv(TRIAL_VARIABLE, json.dumps(change))
        probe = Probe(app)

        async def call() -> None:
            await calls(probe)

        asyncio.run(call())
        probe.stop()
        return read_report(tmp_path)

    return run


def read_report(folder: Path) -> SimpleNamespace:
    (path,) = folder.glob("attach-*.json")
    return SimpleNamespace(**json.loads(path.read_text())["trial"] or {})


async def answer(_: Scope, __: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Watched:
    """An app that records both pools' sizes per request; `set_up` is its lifespan's startup."""

    def __init__(self, set_up: Callable[[], object] = int) -> None:
        self.set_up = set_up
        self.tokens: list[float] = []
        self.threads: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.set_up()
            await send({"type": "lifespan.startup.complete"})
            return
        self.tokens.append(anyio.to_thread.current_default_thread_limiter().total_tokens)
        await asyncio.to_thread(int)
        executor = asyncio.get_running_loop()._default_executor  # type: ignore[attr-defined]
        self.threads.append(executor._max_workers)
        await answer(scope, receive, send)


async def start_and_ask(app: App) -> None:
    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(_: Message) -> None: ...

    await app({"type": "lifespan"}, receive, send)
    await get("/", "/")(app)


def resize_pool() -> None:
    anyio.to_thread.current_default_thread_limiter().total_tokens = 3


def set_executor() -> None:
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(3))


DEFAULT_THREADS = ThreadPoolExecutor()._max_workers


@pytest.mark.parametrize("set_up", [int, resize_pool])
def test_the_pool_has_the_size_of_the_trial(try_change: Try, set_up: Callable[[], object]) -> None:
    app = Watched(set_up)
    report = try_change(app, start_and_ask, pool=77)
    assert (app.tokens, app.threads) == ([77, 77], [DEFAULT_THREADS] * 2)
    assert (report.applied, report.invalid, report.warnings) == (True, None, [])


@pytest.mark.parametrize("set_up", [int, set_executor])
def test_the_executor_has_the_size_of_the_trial(
    try_change: Try, set_up: Callable[[], object]
) -> None:
    app = Watched(set_up)
    report = try_change(app, start_and_ask, executor=77)
    assert (app.tokens, app.threads) == ([40, 40], [77, 77])
    assert (report.applied, report.invalid) == (True, None)


def test_each_loop_that_the_app_runs_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    for change in ({"pool": 5}, {"executor": 5}):
        monkeypatch.setenv(TRIAL_VARIABLE, json.dumps(change))
        app = Watched()
        probe = Probe(app)
        for _ in range(2):
            asyncio.run(get("/", "/")(probe))  # type: ignore[arg-type]
        probe.stop()
        seen = app.tokens if "pool" in change else app.threads
        assert seen == [5] * 4


@pytest.mark.parametrize(
    ("change", "set_up", "words"),
    [("pool", resize_pool, "anyio's pool"), ("executor", set_executor, "default executor")],
)
def test_an_app_that_sets_the_size_while_it_serves_makes_the_trial_invalid(
    try_change: Try, change: str, set_up: Callable[[], object], words: str
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        set_up()
        await answer(scope, receive, send)

    report = try_change(app, get("/", "/"), **{change: 77})
    assert report.applied
    assert words in report.invalid


def test_without_the_variable_nothing_changes(try_change: Try) -> None:
    app = Watched()
    report = try_change(app, start_and_ask)
    assert (app.tokens, app.threads) == ([40, 40], [DEFAULT_THREADS] * 2)
    assert vars(report) == {}


def test_outside_an_audit_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DIRECTORY_VARIABLE, raising=False)
    monkeypatch.setenv(TRIAL_VARIABLE, '{"pool": 77}')
    app = Watched()
    asyncio.run(start_and_ask(Probe(app)))
    assert app.tokens == [40, 40]


@pytest.mark.parametrize("change", [{"pool": "x"}, {"pool": -1}, {"executor": 0}, {"pond": 3}, {}])
def test_a_change_that_cannot_be_made_is_reported_and_the_app_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    monkeypatch.setenv(DIRECTORY_VARIABLE, str(tmp_path))
    monkeypatch.setenv(TRIAL_VARIABLE, json.dumps(change))
    app, statuses = Watched(), []

    async def call(probe: Probe) -> None:
        statuses.append((await ask(probe, "/")).status)
        probe.stop()

    asyncio.run(call(Probe(app)))
    assert statuses == [204]
    assert "cannot apply" in (reason := read_report(tmp_path).invalid) or "not know" in reason
