"""A measured limit as a clause of a sentence, and what takes it away."""

from collections.abc import Mapping

from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit, Resource

CHANGES: Mapping[Resource, str] = {
    "pool threads": "give the pool as many threads as requests wait at once, or await instead",
    "client connections": "give the client as many connections as calls are under way at once",
    "database connections": "give the pool as many connections as queries run at once",
    "interpreter": "make a request cost less CPU, or start more workers",
    "event loop": "await what blocks, or hand it to a thread with run_sync",
    "worker restarts": "await what blocks, or hand it to a thread with run_sync",
}
RULES: Mapping[Resource, str] = {
    "pool threads": "small-pool",
    "client connections": "client-life",
    "event loop": "one-blocks-all",
    "worker restarts": "gunicorn-timeout",
}


def describe_limit(limit: MeasuredLimit | None) -> str:
    """What was full, as in "all 40 threads of the pool are taken"."""
    if limit is None:
        return "nothing that was measured is full"
    full = formats.short_number(limit.capacity)
    match limit.resource:
        case "users":
            return "the users ask for no more"
        case "arrivals":
            return "it keeps up with what arrives"
        case "interpreter":
            return "the interpreter computes all the time"
        case "event loop":
            return f"the event loop is blocked {describe_share(limit)}{describe_place(limit)}"
        case "worker restarts":
            return f"the worker is killed {formats.count_things(int(limit.used or 0), 'time')}"
        case "pool threads":
            return f"all {limit.capacity:g} threads of the pool are taken"
        case "client connections":
            return f"all {limit.capacity:g} connections of the client are taken"
        case "database connections":
            return f"all {limit.capacity:g} connections to the database are taken"
        case "cores" if limit.whose == "machine":
            return f"server and load together use all {limit.capacity:g} cores of the machine"
        case "cores":
            return f"the server uses all of its {full} cores"
        case "load generator":
            return "the load generator can't send more"
        case "upstream":
            return "the upstream answers late"
        case _:
            return "nothing that was measured is full"


def describe_share(limit: MeasuredLimit) -> str:
    return f"for {formats.percent(limit.share)} of the time"


def describe_place(limit: MeasuredLimit) -> str:
    return f" at {limit.whose}" if limit.whose else ""
