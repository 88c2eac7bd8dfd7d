"""The probe's metrics in prometheus-client's registry."""

import asyncio
import os
import subprocess
import sys
import threading
from contextlib import ExitStack
from math import nan
from pathlib import Path
from time import monotonic

import asgi_probe
import pytest
from asgi_probe import Probe
from asgi_probe.blocks import BEAT_S
from asgi_probe.metrics import INSTRUMENTS, THREAD_WAIT
from asgi_probe.metrics_feed import LoopSample, MetricsFeed
from asgi_probe.routes import App
from fastapi import FastAPI

from tests.probe.support import ask

pytest.importorskip("prometheus_client")
from asgi_probe.prometheus import PrometheusMetrics
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

BLOCK_S = 0.3
HOME = str(Path(asgi_probe.__file__).parent.parent)


def read(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """Return a sample's value; 0 for one that does not exist yet."""
    return registry.get_sample_value(name, labels) or 0.0


def test_a_block_is_as_many_late_heartbeats_as_it_is_long() -> None:
    """What a request finds that arrives at a random moment: a single value for the whole block
    would hide it among the heartbeats of the idle time."""
    registry = CollectorRegistry()
    app = FastAPI()

    @app.get("/block")
    async def block() -> None:
        threading.Event().wait(BLOCK_S)

    began_s = monotonic()
    asyncio.run(call_until_written(Probe(app, metrics=PrometheusMetrics(registry)), registry))
    lasted_s = monotonic() - began_s
    count = read(registry, "asgi_probe_loop_lag_seconds_count")
    late = count - read(registry, "asgi_probe_loop_lag_seconds_bucket", le="0.05")
    assert late >= 24  # 25 heartbeats are due in the block's first 250 ms; one may be under way
    assert count > read(registry, "asgi_probe_loop_lag_seconds_bucket", le="0.25")
    assert count <= lasted_s / BEAT_S + 1


async def call_until_written(probe: App, registry: CollectorRegistry) -> None:
    await ask(probe, "/block")
    for _ in range(1_000):  # at most 10 s: the watchdog writes four times per second
        if read(registry, "asgi_probe_loop_lag_seconds_sum") > BLOCK_S:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no lag was recorded within 10 s")


def test_an_app_that_is_created_twice_shares_the_metrics() -> None:
    """prometheus-client refuses a name that its registry has, and a gauge has one writer."""
    registry = CollectorRegistry()
    assert PrometheusMetrics(registry) is PrometheusMetrics(registry) is not PrometheusMetrics()
    for number in (1.0, 2.0):
        PrometheusMetrics(registry).record(THREAD_WAIT, ("/", "endpoint", "anyio"), 0.1)
        labels = {"http_route": "/", "stage": "endpoint", "pool": "anyio"}
        assert read(registry, "asgi_probe_thread_wait_seconds_count", **labels) == number


def test_after_an_error_a_scrape_shows_that_the_probe_is_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    feed = MetricsFeed(metrics, BEAT_S)
    names = ("asgi_probe_up", "asgi_probe_loop_heartbeat_age_seconds", "asgi_probe_loop_tasks")
    sample = LoopSample(0.5, 3.0, nan, nan, nan)
    feed.write([], [sample])
    assert [read(registry, each) for each in names] == [1, 0.5, 3]
    monkeypatch.setattr(Histogram, "observe", fail)
    feed.note_lag(0.1)
    feed.write([], [sample])
    assert [read(registry, each) for each in names] == [0, 0, 0]


def fail(*_: object) -> None:
    raise OSError("disk full")


def test_the_registry_has_the_declared_names_and_types() -> None:
    registry = CollectorRegistry()
    PrometheusMetrics(registry)
    found = {each.name: each.type for each in registry.collect()}
    assert found == {each.prometheus_name.removesuffix("_total"): each.kind for each in INSTRUMENTS}


def test_a_gauge_over_several_processes_is_a_sum_or_the_oldest_heartbeat(tmp_path: Path) -> None:
    words = (
        "import sys; from asgi_probe.metrics import HEARTBEAT_AGE, IN_FLIGHT;"
        "from asgi_probe.prometheus import PrometheusMetrics; value = float(sys.argv[1]);"
        "metrics = PrometheusMetrics(); metrics.record(IN_FLIGHT, ('/',), value);"
        "metrics.record(HEARTBEAT_AGE, (), value); print('written', flush=True); input()"
    )
    variables = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": HOME}
    with ExitStack() as stack:
        for value in ("1", "2"):
            process = stack.enter_context(
                subprocess.Popen(
                    (sys.executable, "-c", words, value),
                    env={**os.environ, **variables},
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                )
            )  # fmt: skip
            assert process.stdout is not None
            assert process.stdout.readline() == b"written\n"
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(tmp_path))  # type: ignore[no-untyped-call]
        assert read(registry, "asgi_probe_requests_in_flight", http_route="/") == 3
        assert read(registry, "asgi_probe_loop_heartbeat_age_seconds") == 2
