"""The probe's metrics through OpenTelemetry's SDK, read in memory."""

import asyncio
import threading
from collections.abc import Iterator
from math import nan

import pytest
from asgi_probe import Probe
from asgi_probe.blocks import BEAT_S
from asgi_probe.metrics import BUCKETS_S, INSTRUMENTS, LOOP_LAG
from asgi_probe.metrics_feed import LoopSample, MetricsFeed
from fastapi import FastAPI

from tests.probe.support import ask

pytest.importorskip("opentelemetry.sdk.metrics")
from asgi_probe.opentelemetry import OpenTelemetryMetrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    NumberDataPoint,
)

BLOCK_S = 0.3


@pytest.fixture(scope="module")
def metrics() -> "dict[str, Metric]":
    """The metrics of a call in a thread, of a block, and of a path without a route."""
    reader = InMemoryMetricReader()
    app = FastAPI()

    @app.get("/block/{number}")
    async def block(number: int) -> int:
        threading.Event().wait(BLOCK_S)
        return number

    @app.get("/thread")
    def thread() -> None: ...

    probe = Probe(app, metrics=OpenTelemetryMetrics(MeterProvider([reader])))
    seen: dict[str, Metric] = {}

    async def run() -> None:
        for path in ("/thread", "/block/7", "/none"):
            await asyncio.create_task(ask(probe, path))  # a context of its own, as in a server
        for _ in range(1_000):  # at most 10 s: the watchdog writes four times per second
            seen.update((each.name, each) for each in read(reader))
            if list_blocks(seen) and "asgi_probe.up" in seen:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"only {sorted(seen)} within 10 s")

    asyncio.run(run())
    probe.stop()
    return seen


def read(reader: InMemoryMetricReader) -> Iterator[Metric]:
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            if scope.scope.name == "asgi_probe":  # some versions of the SDK measure themselves
                yield from scope.metrics


def test_each_has_its_unit_and_its_kind(metrics: "dict[str, Metric]") -> None:
    declared = {each.name: each for each in INSTRUMENTS}
    assert set(metrics) <= set(declared)
    assert {name: each.unit for name, each in metrics.items()} == {
        name: declared[name].unit for name in metrics
    }
    assert metrics["asgi_probe.loop.lag"].data.__class__.__name__ == "Histogram"
    assert metrics["asgi_probe.loop.heartbeat.age"].data.__class__.__name__ == "Gauge"
    for name in ("asgi_probe.pool.tokens.max", "asgi_probe.up"):
        assert metrics[name].data.is_monotonic is False  # type: ignore[union-attr]


def test_a_route_is_the_attribute_of_the_conventions(metrics: "dict[str, Metric]") -> None:
    (point,) = metrics["asgi_probe.thread.wait"].data.data_points
    assert isinstance(point, HistogramDataPoint)
    assert point.attributes == {"http.route": "/thread", "stage": "endpoint", "pool": "anyio"}
    assert point.explicit_bounds == BUCKETS_S
    assert 0 < point.sum < 10


def list_blocks(metrics: "dict[str, Metric]") -> "list[tuple[object, float]]":
    """Cause and seconds of the blocks by the blocking route. Other code may block too, such as an
    import, or any code on a busy machine."""
    found = metrics.get("asgi_probe.loop.blocked")
    return [
        ((point.attributes or {}).get("cause"), point.value)
        for point in (found.data.data_points if found else ())
        if isinstance(point, NumberDataPoint)
        and (point.attributes or {}).get("http.route") == "/block/{number}"
    ]


def test_the_block_has_its_route_and_cause(metrics: "dict[str, Metric]") -> None:
    found = list_blocks(metrics)
    assert "wait" in {cause for cause, _ in found}
    assert BLOCK_S <= sum(seconds for _, seconds in found) < 10  # a busy machine lengthens it


def test_a_gauge_has_one_value(metrics: "dict[str, Metric]") -> None:
    (point,) = metrics["asgi_probe.up"].data.data_points
    assert point.value == 1  # type: ignore[union-attr]


def test_after_an_error_the_exporter_reads_that_the_probe_is_off() -> None:
    def fail(*_: object) -> None:
        raise OSError("disk full")

    reader = InMemoryMetricReader()
    metrics = OpenTelemetryMetrics(MeterProvider([reader]))
    feed = MetricsFeed(metrics, BEAT_S)
    feed.write([], [LoopSample(0.5, 3.0, nan, nan, nan)])
    metrics._adders[LOOP_LAG] = fail
    feed.note_lag(0.1)
    feed.write([], [LoopSample(0.5, 3.0, nan, nan, nan)])
    points = {each.name: list(each.data.data_points) for each in read(reader)}
    for name in ("up", "loop.heartbeat.age", "loop.tasks"):
        (point,) = points[f"asgi_probe.{name}"]
        assert isinstance(point, NumberDataPoint)
        assert point.value == 0
