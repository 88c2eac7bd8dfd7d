"""The prediction for an external server with unknown code, from a single request."""

from analysis.stats import formats
from records.prediction import Calibration, Prediction
from scenarios.model import Load
from scenarios.units import Second

SHORTEST_S: Second = 0.005
"""In shorter requests, the caller's own share is too large."""
UNKNOWN = "the number of requests that this server serves at the same time is unknown"


def describe_unknown_server(found: Calibration, load: Load) -> Prediction:
    """Predict no throughput and no latency: a waiting endpoint may serve all users at the same
    time, as many as its pool has threads, or one. A single user's wait is a delay, unless the
    server computes meanwhile: then users do not wait in parallel."""
    alone_s, reason = found.response_s, UNKNOWN
    if alone_s >= SHORTEST_S and not load.is_open:
        reason = f"{UNKNOWN}; a single one takes {formats.milliseconds(1000 * alone_s)} ms"
        if found.cpu_s > alone_s / 2:
            reason = f"{reason}, mostly CPU of the server"
        else:
            rate = formats.rate(load.users / (load.think_s + alone_s))
            reason = (
                f"{reason}: if it serves all {load.users:,} users at the same time, they get about "
                f"{rate} rps, otherwise less"
            )
    return Prediction(cpu_ms=1000 * found.cpu_s or None, reason=reason)
