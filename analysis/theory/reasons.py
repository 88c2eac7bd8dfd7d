"""Why a prediction lacks a figure, or has one that does not describe the service."""

from math import ceil

from records.prediction import Calibration, Prediction
from scenarios.model import THREADS_OF, Scenario
from scenarios.units import Second

OVERLOADED = (
    "more is offered than is served: latencies grow with the length of the test and do not "
    "describe the service"
)


def explain_refusals(scenario: Scenario, found: Calibration) -> str | None:
    """Say that requests wait for a terminal, or that the database may refuse connections: the model
    does not know how fast the one reads, and which requests fail at the other. None otherwise."""
    if scenario.server.access_log == "terminal":
        return (
            "each request waits for the terminal that shows the log, and the model does not know "
            "how fast it reads"
        )
    wanted, most = count_database_connections(scenario, found.response_s), found.most_connections
    if most is None or wanted <= most:
        return None
    return (
        f"the app may open {wanted:,} connections to the database, which accepts {most:,} "
        "(max_connections): the model does not know which requests fail"
    )


def count_database_connections(scenario: Scenario, response_s: Second) -> int:
    """Count the connections that may be open at the same time. `response_s`: of a request alone."""
    database, server, load = scenario.database, scenario.server, scenario.load
    if database is None:
        return 0
    if database.life == "pool":
        return server.workers * database.pool
    rate = load.arrival_rate
    in_flight = load.users if rate is None else ceil(rate * response_s)
    has_threads = scenario.endpoint.style in THREADS_OF
    return min(in_flight, server.workers * server.pool) if has_threads else in_flight


def explain_pool(scenario: Scenario, is_extrapolated: bool) -> str | None:
    """Say that calls cost far more than the levels show: for each idle connection and each waiting
    call, httpx's pool (httpcore 1.0.9, `_assign_requests_to_connections`) looks at all connections.
    With 20 in flight a call costs 1 ms, with 100 it costs 13; with 6 the square is not visible yet.
    httpx2 walks through its pool once. None if enough in flight were calibrated."""
    client = scenario.client
    if client is None or (client.library, client.life) != ("httpx", "shared"):
        return None
    if not is_extrapolated:
        return None
    return (
        "the CPU of httpx's pool grows with the square of the calls in flight, and the calibration "
        "has too few to show it"
    )


def explain_missing(found: Prediction, is_open: bool, works_elsewhere: bool) -> str | None:
    if found.mean_ms is None and is_open and found.limited_by != "arrivals":
        return OVERLOADED
    if found.mean_ms is None or found.median_ms is None:
        return "no latencies: the simulation ended before its window had a response"
    if found.bystander_ms is not None:
        return None
    if works_elsewhere:
        return (
            "no latency of background requests: the model covers the worker processes, not the loop"
        )
    return (
        "no latency of background requests: with a saturated interpreter, the model does not know "
        "which request runs next"
    )
