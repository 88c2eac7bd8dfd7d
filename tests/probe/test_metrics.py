"""What the probe passes to a metrics library, as a fake one sees it."""

import asyncio
import importlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from math import nan
from pathlib import Path
from typing import Annotated

import anyio.to_thread
import pytest
from asgi_probe import Probe
from asgi_probe.blocks import BEAT_S, LoopWatch
from asgi_probe.metrics import INSTRUMENTS, LOOP_LAG, Instrument, Labels
from asgi_probe.metrics_feed import MOST_NOTED, MOST_ROUTES, LoopSample, MetricsFeed
from asgi_probe.request_record import RequestRecord
from asgi_probe.routes import App, Receive, Scope, Send
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.responses import FileResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from tests.probe.handover_support import Gate
from tests.probe.support import ask, get, read_rows, read_table

Calls = Callable[[App], Awaitable[None]]


class RecordedMetrics:
    """A metrics library that keeps every value."""

    def __init__(self) -> None:
        self.values: dict[tuple[str, Labels], list[float]] = {}

    def record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        assert len(labels) == len(instrument.labels)
        self.values.setdefault((instrument.name, labels), []).append(value)

    def get(self, name: str, *labels: str) -> list[float]:
        return self.values.get((f"asgi_probe.{name}", labels), [])

    def list_labels(self, name: str) -> set[Labels]:
        return {labels for each, labels in self.values if each == f"asgi_probe.{name}"}


def record(app: object, calls: Calls) -> RecordedMetrics:
    run(app, metrics := RecordedMetrics(), calls)
    return metrics


def run(app: object, metrics: RecordedMetrics, calls: Calls) -> None:
    probe = Probe(app, metrics=metrics)  # type: ignore[arg-type]
    try:
        asyncio.run(call(probe, calls))
    finally:
        probe.stop()


async def call(probe: App, calls: Calls) -> None:
    await calls(probe)


async def wait_until(holds: Callable[[], object]) -> None:
    for _ in range(1_000):  # at most 10 s: the watchdog writes four times per second
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the condition did not hold within 10 s")


def test_a_call_that_waits_for_a_token_is_counted_by_route_and_stage() -> None:
    app = FastAPI()
    gate = Gate()

    app.get("/hold")(gate.enter)

    def trivial() -> int:
        return 1

    @app.get("/depends/{number}")
    async def depends(number: int, _: Annotated[int, Depends(trivial)]) -> int:
        return number

    metrics = RecordedMetrics()

    async def calls(probed: App) -> None:
        pool = anyio.to_thread.current_default_thread_limiter()
        pool.total_tokens = 1
        held = asyncio.create_task(ask(probed, "/hold"))
        await gate.wait_until_entered()
        queued = asyncio.create_task(ask(probed, "/depends/7"))
        await wait_until(lambda: 1.0 in metrics.get("pool.calls.waiting"))
        gate.leave.set()
        await asyncio.gather(held, queued)

    run(app, metrics, calls)
    assert metrics.get("pool.tokens.max")[0] == 1
    assert max(metrics.get("pool.tokens.borrowed")) == 1
    (waited_s,) = metrics.get("thread.wait", "/depends/{number}", "dependency", "anyio")
    assert 0.1 < waited_s < 10  # at least half a period of the watchdog, which saw it wait
    (held_s,) = metrics.get("thread.wait", "/hold", "endpoint", "anyio")
    assert held_s < waited_s
    assert max(metrics.get("requests.in_flight", "/depends/{number}")) == 1
    assert metrics.get("requests.in_flight", "/depends/{number}")[-1] == 0


@pytest.mark.parametrize("is_audited", [False, True])
def test_each_stage_has_its_name(
    is_audited: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_audited:
        monkeypatch.setenv("ASGI_PROBE_DIR", str(tmp_path))
    app = FastAPI()
    file = tmp_path / "file"
    file.write_text("x")

    def open_session() -> "list[int]":
        return [1]

    @app.get("/endpoint")
    def endpoint(_: Annotated["list[int]", Depends(open_session)]) -> "list[int]":
        return [1]

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> None:
        tasks.add_task(int)

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]))

    @app.get("/file")
    async def send_file() -> FileResponse:
        return FileResponse(file)

    @app.get("/own")
    async def own() -> None:
        await anyio.to_thread.run_sync(int, limiter=anyio.CapacityLimiter(1))
        await asyncio.get_running_loop().run_in_executor(None, int)

    found = record(app, get("/endpoint", "/background", "/stream", "/file", "/own"))
    assert found.list_labels("thread.wait") == {
        ("/endpoint", "dependency", "anyio"),
        ("/endpoint", "endpoint", "anyio"),
        ("/endpoint", "response", "anyio"),
        ("/background", "background", "anyio"),
        ("/stream", "stream", "anyio"),
        ("/file", "file", "anyio"),
        ("/own", "other", "limiter"),
        ("/own", "other", "executor"),
    }
    assert (
        len(found.get("thread.wait", "/stream", "stream", "anyio")) == 3
    )  # the last finds no more


def test_a_starlette_endpoint_is_one_too() -> None:
    def plain(_: Request) -> Response:
        return PlainTextResponse("x")

    found = record(Starlette(routes=[Route("/plain", plain)]), get("/plain"))
    assert found.list_labels("thread.wait") == {("/plain", "endpoint", "anyio")}


def test_a_call_that_is_cancelled_while_it_waits_has_waited() -> None:
    """Otherwise the longest waits, which end in a timeout, would be the ones that are missing."""
    app = FastAPI()
    gate = Gate()

    app.get("/hold")(gate.enter)

    @app.get("/late")
    def late() -> None: ...

    async def calls(probed: App) -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        held = asyncio.create_task(ask(probed, "/hold"))
        await gate.wait_until_entered()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(ask(probed, "/late"), 0.2)
        gate.leave.set()
        await held

    (waited_s,) = record(app, calls).get("thread.wait", "/late", "endpoint", "anyio")
    assert (
        0.15 < waited_s < 10
    )  # the timeout less what came before the wait; a busy machine is late


def test_a_call_to_an_executor_that_is_cancelled_has_waited_too() -> None:
    app, gate, pool = FastAPI(), Gate(), ThreadPoolExecutor(1)

    @app.get("/")
    async def submit() -> None:
        assert pool.submit(int).cancel()
        gate.leave.set()
        await asyncio.wrap_future(pool.submit(int))

    async def calls(probed: App) -> None:
        pool.submit(gate.enter)
        await gate.wait_until_entered()
        await ask(probed, "/")

    found = record(app, calls)
    pool.shutdown()
    assert len(found.get("thread.wait", "/", "other", "executor")) == 2


def test_a_block_is_counted_by_route_and_cause() -> None:
    app = FastAPI()

    @app.get("/block/{number}")
    async def block(number: int) -> int:
        threading.Event().wait(0.3)
        return number

    async def calls(probed: App) -> None:
        await ask(probed, "/block/1")
        await asyncio.sleep(0.1)  # ten samples: one at least takes the ended block

    found = record(app, calls)
    assert ("/block/{number}", "wait") in found.list_labels("loop.blocked")
    total_s = sum(sum(found.get("loop.blocked", "/block/{number}", each)) for each in CAUSES)
    assert 0.3 <= total_s < 1  # a busy machine lengthens it
    assert max(found.get("loop.lag")) > 0.25


CAUSES = ("wait", "compute", "gil", "gc", "no-cpu", "paused", "unexplained")


def test_a_heartbeat_that_does_not_come_is_seen_during_the_block() -> None:
    app, metrics = FastAPI(), RecordedMetrics()

    @app.get("/block")
    async def block() -> None:
        pause = threading.Event()
        for _ in range(1_000):  # blocks the loop until the gauge shows it; at most 10 s
            if max(metrics.get("loop.heartbeat.age"), default=0.0) > 0.2:
                return
            pause.wait(0.01)

    run(app, metrics, get("/block"))
    assert max(metrics.get("loop.heartbeat.age")) > 0.2


def test_calls_that_wait_for_an_executor_are_counted() -> None:
    app, metrics, release = FastAPI(), RecordedMetrics(), threading.Event()
    named = ThreadPoolExecutor(1, "asyncio"), ThreadPoolExecutor(1, "mine")

    @app.get("/{which}")
    async def submit(which: int) -> None:
        for _ in range(3):
            named[which].submit(release.wait, 10)

    async def calls(probed: App) -> None:
        await ask(probed, "/0")
        await ask(probed, "/1")
        await wait_until(lambda: 2.0 in metrics.get("executor.calls.waiting", "other"))
        release.set()

    run(app, metrics, calls)
    for each in named:
        each.shutdown()
    assert 2.0 in metrics.get("executor.calls.waiting", "default")


def test_background_work_and_tasks_that_live_on_are_counted() -> None:
    app, metrics = FastAPI(), RecordedMetrics()
    waiting: list[asyncio.Event] = []

    async def wait() -> None:
        waiting.append(asyncio.Event())
        await waiting[0].wait()

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> None:
        tasks.add_task(wait)

    async def calls(probed: App) -> None:
        asking = asyncio.create_task(ask(probed, "/later"))
        await wait_until(lambda: 1.0 in metrics.get("requests.background", "/later"))
        waiting[0].set()
        await asking

    run(app, metrics, calls)
    assert metrics.get("requests.background", "/later")[-1] == 0
    assert max(metrics.get("loop.tasks")) >= 2  # the test's own, and the request's


def test_no_label_is_a_path() -> None:
    async def plain(_: Request) -> Response:
        await anyio.to_thread.run_sync(int)
        return PlainTextResponse("x")

    inner = [Route("/items/{number}", plain)]
    app = Starlette(routes=[Mount("/n/{year:int}", routes=inner), Mount("/{tenant}", routes=inner)])

    async def ask_in_thread_first(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.to_thread.run_sync(int)
        await app(scope, receive, send)

    calls = get("/acme/items/1", "/acme/secret/1", "/n/007/items/1", "/secret")
    labels = record(ask_in_thread_first, calls).list_labels("thread.wait")
    routes = {route for route, _, _ in labels} - {"/{tenant}/{path}"}  # not of an older Starlette
    assert routes == {"/{tenant}/items/{number}", "/n/{year}/items/{number}", "(unknown)"}


def test_routes_beyond_the_maximum_share_a_label() -> None:
    async def plain(_: Request) -> Response:
        await anyio.to_thread.run_sync(int)
        return PlainTextResponse("x")

    app = Starlette(routes=[Route(f"/{each}", plain) for each in range(MOST_ROUTES + 2)])

    found = record(app, get(*(f"/{each}" for each in range(MOST_ROUTES + 2))))
    assert len(found.list_labels("thread.wait")) == MOST_ROUTES + 1
    assert len(found.get("thread.wait", "(other)", "other", "anyio")) == 2


def test_with_a_directory_there_is_a_journal_as_well(tmp_path: Path) -> None:
    app, metrics = FastAPI(), RecordedMetrics()

    @app.get("/")
    def root() -> None: ...

    probe = Probe(app, tmp_path, metrics=metrics)
    asyncio.run(call(probe, get("/")))
    probe.stop()
    assert [each.route for each in read_rows(tmp_path)[0]] == ["/"]
    assert len(metrics.get("thread.wait", "/", "endpoint", "anyio")) == 1


def test_a_library_that_fails_costs_its_metrics_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def record(self, *_: object) -> None:
            raise ZeroDivisionError

    app = FastAPI()

    @app.get("/")
    async def root() -> str:
        return "still here"

    async def calls(probed: App) -> None:
        await ask(probed, "/")  # starts the probe
        await wait_until(lambda: "metrics are switched off" in caplog.text)
        assert (await ask(probed, "/")).body == b'"still here"'

    probe = Probe(app, tmp_path, metrics=Broken())
    asyncio.run(call(probe, calls))
    probe.stop()
    assert caplog.text.count("metrics are switched off") == 1
    assert [each.status for each in read_rows(tmp_path)[0]] == [200, 200]


class FailingMetrics(RecordedMetrics):
    """Refuses some instruments."""

    refused: frozenset[Instrument] = frozenset()

    def record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        if instrument in self.refused:
            raise OSError("disk full")
        super().record(instrument, labels, value)


SAMPLE = LoopSample(0.5, 3.0, 40.0, 2.0, 1.0)


def test_after_an_error_of_the_library_every_gauge_is_zero() -> None:
    """An alert on `up` fires, and no old value looks like a measurement."""
    metrics = FailingMetrics()
    feed = MetricsFeed(metrics, BEAT_S)
    feed.write([], [SAMPLE])
    metrics.refused = frozenset(INSTRUMENTS)
    feed.note_lag(0.1)
    feed.write([], [SAMPLE])
    assert metrics.get("up") == [1]  # it takes nothing yet
    metrics.refused = frozenset({LOOP_LAG})
    feed.write([], [SAMPLE])
    gauges = ("up", "loop.heartbeat.age", "loop.tasks", "pool.tokens.max", "pool.calls.waiting")
    assert [metrics.get(each)[-1] for each in gauges] == [0] * len(gauges)


def test_an_error_at_the_first_value_shows_that_nothing_is_measured() -> None:
    metrics = FailingMetrics()
    metrics.refused = frozenset({LOOP_LAG})
    feed = MetricsFeed(metrics, BEAT_S)
    feed.note_lag(0.1)
    feed.write([], [SAMPLE])
    assert metrics.get("up") == [0]


def test_loops_and_probes_with_the_same_metrics_add_up() -> None:
    app, metrics, release = FastAPI(), RecordedMetrics(), threading.Event()

    @app.get("/wait")
    async def wait() -> None:
        await wait_until(release.is_set)

    probes = [Probe(app, metrics=metrics) for _ in range(2)]

    async def serve() -> None:
        await asyncio.gather(*(ask(each, "/wait") for each in probes))

    threads = [threading.Thread(target=asyncio.run, args=(serve(),)) for _ in range(2)]
    for each in threads:
        each.start()

    async def check() -> None:
        await wait_until(lambda: 4.0 in metrics.get("requests.in_flight", "/wait"))
        await wait_until(lambda: 80.0 in metrics.get("pool.tokens.max"))  # 40 per loop
        probes[0].stop()
        await wait_until(lambda: metrics.get("requests.in_flight", "/wait")[-1] == 2)
        assert metrics.get("up") == [1]

    asyncio.run(check())
    release.set()
    for each in threads:
        each.join()
    probes[1].stop()
    assert metrics.get("up") == [1, 0]
    assert max(metrics.get("loop.tasks")) >= 6  # per loop two requests and their parent


@pytest.mark.parametrize("is_outer", [False, True])
def test_a_probe_with_metrics_alone_leaves_the_samples_to_one_with_a_journal(
    is_outer: bool, tmp_path: Path
) -> None:
    app, metrics = FastAPI(), RecordedMetrics()

    @app.get("/block")
    async def block() -> None:
        threading.Event().wait(0.1)

    async def calls(probed: App) -> None:
        await asyncio.create_task(ask(probed, "/block"))
        await wait_until(lambda: metrics.list_labels("loop.blocked"))

    if is_outer:
        probes = [inner := Probe(app, tmp_path), Probe(inner, metrics=metrics)]
    else:
        probes = [inner := Probe(app, metrics=metrics), Probe(inner, tmp_path)]
    asyncio.run(call(probes[1], calls))
    for each in probes:
        each.stop()
    (path,) = tmp_path.iterdir()
    blocks = read_table(path.read_bytes(), "b")
    assert "/block" in {each.route for each in blocks}
    assert {route for route, _ in metrics.list_labels("loop.blocked")} >= {"/block"}
    assert len(read_rows(tmp_path)[1]) >= 5  # of 10 samples during the block


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process.*fork:DeprecationWarning")
def test_a_forked_child_starts_anew() -> None:
    app, metrics = FastAPI(), RecordedMetrics()
    probe = Probe(app, metrics=metrics)

    async def calls(probed: App) -> None:
        await ask(probed, "/")
        await wait_until(lambda: metrics.get("up") == [1])
        pid = os.fork()
        if pid == 0:
            metrics.values.clear()
            thread = threading.Thread(target=serve_in_child)
            thread.start()
            thread.join(20)
            os._exit(metrics.get("up") != [1, 0])
        assert os.waitpid(pid, 0)[1] == 0

    async def serve_again() -> None:
        await ask(probe, "/")
        await wait_until(lambda: metrics.get("up") == [1])

    def serve_in_child() -> None:
        asyncio.run(serve_again())
        probe.stop()

    asyncio.run(call(probe, calls))
    probe.stop()


def test_gauges_end_at_zero() -> None:
    found = RecordedMetrics()

    async def calls(probed: App) -> None:
        await ask(probed, "/none")
        await wait_until(lambda: found.get("up") == [1])

    run(FastAPI(), found, calls)
    assert found.get("up") == [1, 0]
    gauges = {each.name for each in INSTRUMENTS if each.kind == "gauge"}
    assert all(values[-1] == 0 for (name, _), values in found.values.items() if name in gauges)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda each: each.name)
def test_names_follow_the_conventions(instrument: Instrument) -> None:
    """Prometheus reserves _total for counters, and wants base units in names."""
    name = instrument.prometheus_name
    assert name.startswith("asgi_probe_")
    assert name.endswith("_total") == (instrument.kind == "counter")
    assert ("_seconds" in name) == (instrument.unit == "s")
    assert instrument.help.endswith(".")


def test_a_process_that_nobody_reads_keeps_a_bounded_number() -> None:
    metrics, number = RecordedMetrics(), MOST_NOTED + 5
    feed = MetricsFeed(metrics, BEAT_S)
    watch = LoopWatch(times_handles=False, times_steps=False)
    request = RequestRecord(1, {"type": "http"}, watch, 0.0)
    for _ in range(number):
        feed.note_lag(0.0)
        feed.note_wait(request, ("endpoint", "anyio"), 0.0)
    feed.write([], [LoopSample(0.0, 1.0, nan, nan, nan)])
    assert len(metrics.get("loop.lag")) == MOST_NOTED
    assert len(metrics.get("thread.wait", "(unknown)", "endpoint", "anyio")) == MOST_NOTED
    assert metrics.list_labels("pool.tokens.max") == set()  # without anyio


@pytest.mark.parametrize(
    ("module", "package", "named"),
    [
        ("prometheus", "prometheus_client", "prometheus-client"),
        ("opentelemetry", "opentelemetry", "opentelemetry-api"),
    ],
)
def test_without_its_package_an_extra_says_what_to_install(
    module: str, package: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for each in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"asgi_probe.{module}", raising=False)
    with pytest.raises(ImportError, match=f"pip install {named}$"):
        importlib.import_module(f"asgi_probe.{module}")
