"""What a request that is alone says of a server whose code is not known."""

from analysis.stats import formats
from records.prediction import Calibration, Prediction
from scenarios.model import Load
from scenarios.units import Second

SHORTEST_S: Second = 0.005
"""Of shorter requests, the caller's own part is too large to say anything of the server."""
UNKNOWN = "how many requests this server serves at a time is not known"


def describe_unknown_server(found: Calibration, load: Load) -> Prediction:
    """No throughput and no latency: an endpoint that waits may serve all users at a time, as many
    as a pool has threads, or one. What one user alone waits is a delay, unless the server computed
    meanwhile: then its users do not wait side by side."""
    alone_s, reason = found.response_s, UNKNOWN
    if alone_s >= SHORTEST_S and not load.is_open:
        reason = f"{UNKNOWN}; one that is alone takes {formats.milliseconds(1000 * alone_s)} ms"
        if found.cpu_s > alone_s / 2:
            reason = f"{reason}, mostly CPU of the server"
        else:
            rate = formats.rate(load.users / (load.think_s + alone_s))
            reason = (
                f"{reason}: if it serves {load.users:,} users at a time, they get about {rate} "
                "rps, otherwise fewer"
            )
    return Prediction(cpu_ms=1000 * found.cpu_s or None, reason=reason)
