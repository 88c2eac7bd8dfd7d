"""What a model says of a scenario before its load starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prediction:
    """What theory said before the run. ceiling_rps: with any number of users."""

    ok_rps: float | None
    mean_ms: float | None
    median_ms: float | None
    p99_ms: float | None
    ceiling_rps: float | None
    limited_by: str | None
    starved: int | None = None
    """Users who are never served while others are, again and again."""
    cpu_ms: float | None = None
    """Of the endpoint alone, from the calibration; all else comes from the scenario."""
    bystander_ms: float | None = None
    """The median latency of the background request."""
