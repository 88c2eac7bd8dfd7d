"""A model's prediction for a scenario before its load starts, and the calibration it uses."""

from dataclasses import dataclass

from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class CpuSample:
    """A fraction of a second with `in_flight` requests in flight at one worker. cpu_s: CPU seconds
    per request, all threads of the server, without its idle CPU use. delay_s: the upstream's; None
    without one, for a request alone, and in older records."""

    in_flight: int
    requests: int
    lasting_s: Second
    cpu_s: Second
    delay_s: Second | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """The cost of one request of an endpoint, alone and with other requests in flight.

    One user sends one request after another, with the delay set to 0.

    cpu_s: CPU seconds of the server per request, all its threads.
    response_s: mean response time for that user.
    samples: with that user, then with several users at a time. Empty in older records.
    idle_cores: cores that an idle worker uses; no sample's cpu_s includes it.
    other_cores: cores that other programs used during the calibration; None if unknown.
    most_connections: of the database; None without a database or a limit, and in older records.
    """

    requests: int
    lasting_s: Second
    cpu_s: Second
    response_s: Second
    samples: tuple[CpuSample, ...] = ()
    idle_cores: float = 0.0
    other_cores: float | None = None
    most_connections: int | None = None

    @property
    def wait_s(self) -> Second:
        """Return the time in which the server did not compute: mostly the database's time, for an
        endpoint that queries one."""
        return max(0.0, self.response_s - self.cpu_s)


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction made before the run. ceiling_rps: the maximum for any number of users."""

    ok_rps: float | None = None
    mean_ms: float | None = None
    median_ms: float | None = None
    p99_ms: float | None = None
    ceiling_rps: float | None = None
    limited_by: str | None = None
    starved: int | None = None
    """Users who are never served while other users are served repeatedly."""
    cpu_ms: float | None = None
    """CPU per request of the endpoint alone, measured by the calibration."""
    cpu_loaded_ms: float | None = None
    """CPU per request with as many in flight as in the run, plus its share of `cpu_idle_ms`. In
    older records, which knew no difference, equal to `cpu_ms`."""
    cpu_idle_ms: float = 0.0
    """The idle server's CPU use, divided among the requests. At 40 rps it may exceed the CPU of the
    request itself."""
    low: float | None = None
    """Lower bound of ok_rps: 95 of 100 runs are expected between `low` and `high`, given the noise
    of the calibration. None without a calibration."""
    high: float | None = None
    extrapolated: bool = False
    """True if CPU limits the throughput and the calibration had fewer requests in flight. The
    prediction may then be far off, and its range is wide."""
    bystander_ms: float | None = None
    """Median latency of the background request; only runs have one, `study predict` does not."""
    transient: bool | None = None
    """True if the queue still changes during the run. Mean and quantiles then depend on the
    length of the test and contradict Little's law. None if not checked."""
    reason: str | None = None
    """Why figures are missing, or why they do not describe the service itself."""

    def __post_init__(self) -> None:
        if self.cpu_loaded_ms is None:
            object.__setattr__(self, "cpu_loaded_ms", self.cpu_ms)


@dataclass(frozen=True, slots=True)
class OverloadLatencies:
    """Latencies of an open loop that offers more than the service can serve. Each request waits for
    all earlier ones, so they grow with the test's length and do not describe the service."""

    requests: int
    p10_ms: float
    p50_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadPrediction(Prediction):
    overload: OverloadLatencies


def name_prediction(scenario: str, trial: int) -> str:
    """Name the prediction in the manifest: a first trial's has the name of its scenario. No name
    of a scenario has a slash."""
    return scenario if trial == 1 else f"{scenario}/{trial}"
