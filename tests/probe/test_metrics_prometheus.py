"""The probe's metrics in prometheus-client's registry."""

import asyncio
import threading

import pytest
from asgi_probe import Probe
from asgi_probe.routes import App
from fastapi import FastAPI

from tests.probe.support import ask

prometheus_client = pytest.importorskip("prometheus_client")
from asgi_probe.prometheus import PrometheusMetrics  # noqa: E402

BLOCK_S = 0.3


def read(registry: "prometheus_client.CollectorRegistry", name: str, **labels: str) -> float:
    """Return a sample's value; 0 for one that does not exist yet."""
    return registry.get_sample_value(name, labels) or 0.0


def test_a_block_is_as_many_late_heartbeats_as_it_is_long() -> None:
    """What a request finds that arrives at a random moment: a single value for the whole block
    would hide it among the heartbeats of the idle time."""
    registry = prometheus_client.CollectorRegistry()
    app = FastAPI()

    @app.get("/block")
    async def block() -> None:
        threading.Event().wait(BLOCK_S)

    asyncio.run(call_until_written(Probe(app, metrics=PrometheusMetrics(registry)), registry))
    late = read(registry, "asgi_probe_loop_lag_seconds_count") - read(
        registry, "asgi_probe_loop_lag_seconds_bucket", le="0.05"
    )
    # 25 heartbeats are due in the block's first 250 ms; load adds some, a beat may be under way
    assert 24 <= late <= 60
    longest = read(registry, "asgi_probe_loop_lag_seconds_bucket", le="0.25")
    assert read(registry, "asgi_probe_loop_lag_seconds_count") > longest


async def call_until_written(probe: App, registry: "prometheus_client.CollectorRegistry") -> None:
    await ask(probe, "/block")
    for _ in range(1_000):  # at most 10 s: the watchdog writes four times per second
        if read(registry, "asgi_probe_loop_lag_seconds_sum") > BLOCK_S:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("no lag was recorded within 10 s")
