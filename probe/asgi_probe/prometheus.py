"""Metrics of the probe for Prometheus, with the package prometheus-client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Union
from weakref import WeakKeyDictionary

from .metrics import BUCKETS_S, INSTRUMENTS, Instrument, Labels

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError as error:
    raise ImportError("no package prometheus-client: pip install prometheus-client") from error

Family = Union[Counter, Gauge, Histogram]


class PrometheusMetrics:
    """Use as `Probe(app, metrics=PrometheusMetrics())`. Registers the metrics in the default
    registry of prometheus-client, or in the one given. There is one object per registry, which
    accepts a name once: an app may be created several times in a process."""

    _families: dict[Instrument, Family]
    _recorders: dict[tuple[Instrument, Labels], Callable[[float], None]]

    def __new__(cls, registry: CollectorRegistry = REGISTRY) -> PrometheusMetrics:
        metrics = metrics_of.get(registry)
        if metrics is None:
            metrics = super().__new__(cls)
            metrics._families = {each: create_family(each, registry) for each in INSTRUMENTS}
            metrics._recorders = {}
            metrics_of[registry] = metrics
        return metrics

    def record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        recorder = self._recorders.get((instrument, labels))
        if recorder is None:
            recorder = find_recorder(self._families[instrument], labels)
            self._recorders[instrument, labels] = recorder
        recorder(value)


metrics_of: WeakKeyDictionary[CollectorRegistry, PrometheusMetrics] = WeakKeyDictionary()


def create_family(instrument: Instrument, registry: CollectorRegistry) -> Family:
    name, labels = instrument.prometheus_name, instrument.prometheus_labels
    if instrument.kind == "histogram":
        return Histogram(name, instrument.help, labels, registry=registry, buckets=BUCKETS_S)
    if instrument.kind == "counter":
        return Counter(name, instrument.help, labels, registry=registry)
    mode: Literal["livemax", "livesum"] = "livemax" if instrument.unit == "s" else "livesum"
    return Gauge(name, instrument.help, labels, registry=registry, multiprocess_mode=mode)


def find_recorder(family: Family, labels: Labels) -> Callable[[float], None]:
    child = family.labels(*labels) if labels else family
    if isinstance(child, Histogram):
        return child.observe
    return child.inc if isinstance(child, Counter) else child.set
