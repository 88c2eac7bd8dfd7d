"""What a model says of a scenario before its load starts, and the one measurement it may use."""

from dataclasses import dataclass

from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class CpuSample:
    """A fraction of a second with so many requests in flight at one worker. cpu_s: of one request,
    all threads of the server together, without what it uses when nobody asks."""

    in_flight: int
    requests: int
    lasting_s: Second
    cpu_s: Second


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one request of an endpoint costs by itself, and with others in flight.

    One user, one request after the other, nothing to wait for (the delay set to 0).

    cpu_s: CPU seconds of the server, all its threads, per request.
    response_s: mean seconds per request as that user sees them.
    samples: of that user, then of several at a time. Empty in older records.
    idle_cores: what a worker uses while nobody asks; it is in cpu_s of no sample.
    other_cores: what other programs of the machine used meanwhile; None where that is unknown.
    """

    requests: int
    lasting_s: Second
    cpu_s: Second
    response_s: Second
    samples: tuple[CpuSample, ...] = ()
    idle_cores: float = 0.0
    other_cores: float | None = None

    @property
    def wait_s(self) -> Second:
        """What the server itself did not work on: of an endpoint that asks a database, mostly
        the database's time."""
        return max(0.0, self.response_s - self.cpu_s)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What theory said before the run. ceiling_rps: with any number of users."""

    ok_rps: float | None = None
    mean_ms: float | None = None
    median_ms: float | None = None
    p99_ms: float | None = None
    ceiling_rps: float | None = None
    limited_by: str | None = None
    starved: int | None = None
    """Users who are never served while others are, again and again."""
    cpu_ms: float | None = None
    """Of the endpoint alone, from the calibration; all else comes from the scenario."""
    cpu_loaded_ms: float | None = None
    """The same with as many in flight as the run has, and its share of `cpu_idle_ms`; of older
    records, which knew no difference, it is the same."""
    cpu_idle_ms: float = 0.0
    """What the server uses while nobody asks, shared out among the requests: of forty a second it
    may be more than a request itself takes."""
    low: float | None = None
    """Of ok_rps, as far as the calibration leaves it open: 95 of 100 runs are expected from here to
    `high`. None without a calibration."""
    high: float | None = None
    extrapolated: bool = False
    """Whether CPU limits it, and was calibrated with fewer in flight only: then the middle may be
    far off, and the range is wide."""
    bystander_ms: float | None = None
    """The median latency of the background request; a run has one, `study predict` has none."""
    transient: bool | None = None
    """Whether mean and quantiles are those of a run in which the queue still changes: they are no
    property of the service, and together with the throughput they break Little's law. None where
    it was not looked at."""
    reason: str | None = None
    """Why figures are missing, or of what they are no property of the service."""

    def __post_init__(self) -> None:
        if self.cpu_loaded_ms is None:
            object.__setattr__(self, "cpu_loaded_ms", self.cpu_ms)


@dataclass(frozen=True, slots=True)
class OverloadLatencies:
    """Of an open loop that offers more than is served, with so many requests: the last waits for
    all before it. They are the length of the test, and no property of the service."""

    requests: int
    p10_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadPrediction(Prediction):
    overload: OverloadLatencies
