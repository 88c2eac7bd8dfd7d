"""What one request of an endpoint costs by itself: the only measurement a prediction may use."""

from dataclasses import dataclass

from scenarios.units import Second


@dataclass(frozen=True, slots=True)
class Calibration:
    """One user, one request after the other, nothing to wait for (the delay set to 0).

    cpu_s: CPU seconds of the server, all its threads, per request.
    response_s: mean seconds per request as that user sees them.
    """

    requests: int
    lasting_s: Second
    cpu_s: Second
    response_s: Second

    @property
    def wait_s(self) -> Second:
        """What the server itself did not work on: of an endpoint that asks a database, mostly
        the database's time."""
        return max(0.0, self.response_s - self.cpu_s)
