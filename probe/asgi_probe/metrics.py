"""What the probe measures for a metrics library: each instrument is declared here, once.

Names and units are OpenTelemetry's. `prometheus_name` gives the name that Prometheus has for the
same instrument, also when an OpenTelemetry collector translates it, so that one dashboard fits both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

Labels = tuple[str, ...]
"""Values of an instrument's labels, in its order."""
BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds in seconds. Timers of asyncio and the start of a thread take up to 1 ms."""
UNKNOWN_ROUTE = "(unknown)"
"""The framework keeps no route: none matches, or the request has not reached the router."""
OTHER_ROUTE = "(other)"
"""All routes beyond the maximum number."""


@dataclass(frozen=True, eq=False)  # compared by identity: a key of a fast dict
class Instrument:
    """kind: histogram, counter or gauge. unit: "s", or "{thing}" for a number of things."""

    name: str
    kind: str
    unit: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def prometheus_name(self) -> str:
        unit = "_seconds" if self.unit == "s" else ""
        total = "_total" if self.kind == "counter" else ""
        return self.name.replace(".", "_") + unit + total

    @property
    def prometheus_labels(self) -> tuple[str, ...]:
        return tuple(each.replace(".", "_") for each in self.labels)


class Metrics(Protocol):
    """A metrics library, as the probe calls it."""

    def record(self, instrument: Instrument, labels: Labels, value: float) -> None:
        """Add the value to a counter or histogram, or set a gauge to it. The probe calls this on
        its own thread, some times per second; an error switches metrics off, and only these."""


LOOP_LAG = Instrument(
    "asgi_probe.loop.lag",
    "histogram",
    "s",
    "How late the event loop runs what is due, once per 10 ms of time: a loop that is blocked for "
    "1 s adds 100 values, from 1 s down to 10 ms.",
)
INSTRUMENTS = tuple(each for each in vars().copy().values() if isinstance(each, Instrument))
