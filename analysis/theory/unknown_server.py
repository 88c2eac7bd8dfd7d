"""What a request that is alone says of a server whose code is not known: a bound, and no more."""

from analysis.stats import formats
from records.prediction import Calibration, Prediction
from scenarios.model import Load
from scenarios.units import Second

CALLER_S: Second = 0.001
"""Of the time that a request took, at most so much is the caller's own."""
SHORTEST_S: Second = 0.005
"""Of shorter requests the caller's own part is too large for a bound."""
UNKNOWN = "how many requests this server serves at a time is not known"


def bound_unknown_server(found: Calibration, load: Load) -> Prediction:
    """No throughput and no latency: an endpoint that waits may serve all users at once, as many as
    a pool has threads, or one. No answer comes sooner than to a user who is alone, so that users
    get at most one for each such time."""
    reason = UNKNOWN
    if not load.is_open and found.response_s >= SHORTEST_S:
        most = load.users / (load.think_s + found.response_s - CALLER_S)
        alone = f"{formats.milliseconds(1000 * found.response_s)} ms"
        is_cpu = found.cpu_s > found.response_s / 2
        work = ", mostly CPU of the server" if is_cpu else ""
        reason = (
            f"{UNKNOWN}; a request that is alone takes {alone}{work}, so that {load.users:,} users "
            f"get at most {formats.rate(most)} rps"
        )
    return Prediction(cpu_ms=1000 * found.cpu_s or None, reason=reason)
