"""What the probe measures for a metrics library: each instrument is declared here, once.

Names and units are OpenTelemetry's. `prometheus_name` is the name in Prometheus. A collector that
translates OpenTelemetry to Prometheus gives the same name, so one dashboard fits both.
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
NO_REQUEST = "(none)"
"""The work belongs to no request, or it is not known to which."""
OTHER_ROUTE = "(other)"
"""All routes beyond the maximum number."""


@dataclass(frozen=True, eq=False)  # compared by identity: a key of a fast dict
class Instrument:
    """kind: histogram, counter or gauge. unit: "s", or "{thing}" for a number of things.

    Gauges with the second kind of unit may be added up over processes."""

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
    "How late the event loop runs what is due, once per heartbeat period (10 ms by default): a "
    "loop that is blocked for 1 s adds 100 values, from 1 s down to 10 ms.",
)
LOOP_BLOCKED = Instrument(
    "asgi_probe.loop.blocked",
    "counter",
    "s",
    "Time in which one callback or step of a task kept the event loop for 20 ms or longer.",
    ("http.route", "cause"),
)
HEARTBEAT_AGE = Instrument(
    "asgi_probe.loop.heartbeat.age",
    "gauge",
    "s",
    "Time since the event loop last ran the probe's heartbeat, due every 10 ms by default.",
)
LOOP_TASKS = Instrument(
    "asgi_probe.loop.tasks", "gauge", "{task}", "Tasks of the event loops that have not ended."
)
POOL_TOKENS = Instrument(
    "asgi_probe.pool.tokens.max",
    "gauge",
    "{token}",
    "Tokens of anyio's default limiter: the most threads that run calls at once.",
)
POOL_BORROWED = Instrument(
    "asgi_probe.pool.tokens.borrowed",
    "gauge",
    "{token}",
    "Tokens in use, of anyio's default limiter.",
)
POOL_WAITING = Instrument(
    "asgi_probe.pool.calls.waiting", "gauge", "{call}", "Calls that wait for one of these tokens."
)
THREAD_WAIT = Instrument(
    "asgi_probe.thread.wait",
    "histogram",
    "s",
    "Time from the request for a thread to the call's start on it, or to its cancellation: the "
    "wait for a token, and the thread's start.",
    ("http.route", "stage", "pool"),
)
EXECUTOR_WAITING = Instrument(
    "asgi_probe.executor.calls.waiting",
    "gauge",
    "{call}",
    "Calls that wait for a thread of asyncio's default executor, or of others.",
    ("executor",),
)
IN_FLIGHT = Instrument(
    "asgi_probe.requests.in_flight",
    "gauge",
    "{request}",
    "Requests and WebSocket connections without their whole response.",
    ("http.route",),
)
BACKGROUND = Instrument(
    "asgi_probe.requests.background",
    "gauge",
    "{request}",
    "Requests whose response is sent and whose background tasks still run.",
    ("http.route",),
)
UP = Instrument("asgi_probe.up", "gauge", "{probe}", "1 while the probe measures, 0 afterwards.")
INSTRUMENTS = tuple(each for each in vars().copy().values() if isinstance(each, Instrument))
