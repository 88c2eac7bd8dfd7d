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


FULL: Mapping[Resource, str] = {
    "users": "the users ask for no more",
    "arrivals": "it keeps up with what arrives",
    "interpreter": "the interpreter computes all the time",
    "load generator": "the load generator can't send more",
    "upstream": "the upstream answers late",
    "unexplained": "nothing that was measured is full",
    "pool threads": "all {capacity:g} threads of the pool are taken",
    "client connections": "all {capacity:g} connections of the client are taken",
    "database connections": "all {capacity:g} connections to the database are taken",
    "worker restarts": "the worker is killed again and again",
}
"""The capacity of these places is known where they are full."""


def describe_limit(limit: MeasuredLimit | None) -> str:
    """What was full, as in "all 40 threads of the pool are taken"."""
    if limit is None:
        return FULL["unexplained"]
    if limit.resource == "event loop":
        place = f" at {limit.whose}" if limit.whose else ""
        return f"the event loop is blocked for {formats.percent(limit.share)} of the time{place}"
    if limit.resource == "cores":
        who = "server and load together use" if limit.whose == "machine" else "the server uses"
        return f"{who} all of {formats.count_things(round(limit.capacity or 0.0), 'core')}"
    return FULL[limit.resource].format(capacity=limit.capacity)
