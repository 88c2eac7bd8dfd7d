"""The study's app behind a probe that feeds metrics; each name is an app for `probe_overhead`."""

import os
from pathlib import Path

from asgi_probe import Probe
from asgi_probe.metrics import Metrics


def __getattr__(name: str) -> Probe:
    """Create the app that a server asks for, and only that."""
    if name not in ("prometheus", "opentelemetry", "both"):
        raise AttributeError(name)
    from app.main import app

    folder = Path(os.environ["PROBE_DIR"]) if name == "both" else None
    return Probe(app, folder, metrics=create_metrics(name))


def create_metrics(name: str) -> Metrics:
    if name == "opentelemetry":
        from asgi_probe.opentelemetry import OpenTelemetryMetrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader

        return OpenTelemetryMetrics(MeterProvider([InMemoryMetricReader()]))
    from asgi_probe.prometheus import PrometheusMetrics

    return PrometheusMetrics()
