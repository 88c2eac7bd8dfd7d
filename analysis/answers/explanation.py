"""Why a scenario serves no more, as measured: a clause, what takes it away, and the rule on it."""

from collections.abc import Mapping
from dataclasses import dataclass

from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.slower import is_blocked_by_clients
from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit, Resource


@dataclass(frozen=True, slots=True)
class Explanation:
    """clause: as in "all 40 threads of the pool are taken". change: an imperative; empty where
    nothing is to be changed. rule: of the guidance."""

    clause: str
    change: str = ""
    rule: str | None = None


ONE_CLIENT = "make one client when the app starts, and use it for all requests"
AWAIT = "await what blocks, or hand it to a thread with run_sync"
FILLED_BY_FAILURES = frozenset({"interpreter", "cores", "load generator"})
KNOWN: Mapping[Resource, Explanation] = {
    "users": Explanation("the users ask for no more"),
    "arrivals": Explanation("it keeps up with what arrives"),
    "interpreter": Explanation(
        "the interpreter computes all the time",
        "make a request cost less CPU, or start more workers",
    ),
    "load generator": Explanation("the load generator can't send more"),
    "upstream": Explanation("the upstream answers late"),
    "unexplained": Explanation("nothing that was measured is full"),
    "pool threads": Explanation(
        "all {capacity:g} threads of the pool are taken",
        "give the pool as many threads as requests wait at once, or await instead",
        "small-pool",
    ),
    "client connections": Explanation(
        "all {capacity:g} connections of the client are taken",
        "give the client as many connections as calls are under way at once",
        "client-life",
    ),
    "database connections": Explanation(
        "all {capacity:g} connections to the database are taken",
        "give the pool as many connections as queries run at once",
    ),
    "worker restarts": Explanation(
        "the worker is killed again and again", AWAIT, "gunicorn-timeout"
    ),
}
"""Where places are full, their number is known."""


def explain(case: MeasuredScenario) -> Explanation:
    if is_blocked_by_clients(case):
        clause = "making a client for each request blocks the event loop"
        return Explanation(clause, ONE_CLIENT, "client-life")
    has_cause = case.limit is not None and case.limit.resource not in FILLED_BY_FAILURES
    if case.get_median("failure_ratio") == 1 and case.blocked_share is None and not has_cause:
        return Explanation("all of its answers are failures")
    if case.blocked_share is not None:
        share = formats.percent(case.blocked_share)
        clause = f"a blocking call blocks the event loop for {share} of the time"
        return Explanation(clause, AWAIT, "one-blocks-all")
    return explain_limit(case.limit)


def explain_limit(limit: MeasuredLimit | None) -> Explanation:
    """None: nothing was full."""
    if limit is None:
        return KNOWN["unexplained"]
    if limit.resource == "event loop":
        place = f" at {limit.whose}" if limit.whose else ""
        share = formats.percent(limit.share)
        clause = f"the event loop is blocked for {share} of the time{place}"
        return Explanation(clause, AWAIT, "one-blocks-all")
    if limit.resource == "cores":
        who = "server and load together use" if limit.whose == "machine" else "the server uses"
        cores = formats.count_things(round(limit.capacity or 0.0), "core")
        return Explanation(f"{who} all of {cores}")
    found = KNOWN[limit.resource]
    return Explanation(found.clause.format(capacity=limit.capacity), found.change, found.rule)
