"""Why a scenario serves no more, as measured: a clause, the remedy, and the rule about it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from analysis.answers.measured_scenario import MOST_OF_THE_TIME, REACHED_SHARE, MeasuredScenario
from analysis.answers.slower import is_blocked_by_clients
from analysis.stats import formats
from analysis.summary.limit import MeasuredLimit, Resource, find_measured_limit
from analysis.summary.predicates import are_kills, find_resource_code
from analysis.verdicts.limits import OTHERS


@dataclass(frozen=True, slots=True)
class Explanation:
    """clause: as in "all 40 threads in the pool are busy". change: an imperative; empty where
    nothing needs changing. rule: a rule of the guidance."""

    clause: str
    change: str = ""
    rule: str | None = None


ONE_CLIENT = "create one client when the app starts and use it for all requests"
PROCESSES = "move the work to a process pool"
TO_THREAD = "move it to a thread with run_sync"
AWAIT = f"await an async version of the blocking call, or {TO_THREAD}"
PLACES: Mapping[Resource, tuple[str, str]] = {
    "pool threads": ("thread", "in the pool"),
    "client connections": ("connection", "of the client"),
    "database connections": ("connection", "to the database"),
}
"""Their clause states how many there are."""
EXECUTOR = Explanation(
    "",
    "give the executor one thread for each request in flight (set_default_executor), or use await",
    "second-pool",
)
BY_ITSELF = Explanation("each request takes that long by itself, without waiting for another")
FILLED_BY_FAILURES = frozenset({"interpreter", "cores", "load generator"})
KNOWN: Mapping[Resource, Explanation] = {
    "users": Explanation("the users send no more"),
    "arrivals": Explanation("it keeps up with the arrivals"),
    "interpreter": Explanation(
        "the interpreter is busy all the time", "reduce the CPU per request, or start more workers"
    ),
    "load generator": Explanation("the load generator cannot send more"),
    "upstream": Explanation("the upstream responds late"),
    "unexplained": Explanation("no measured resource is saturated"),
    "pool threads": Explanation(
        "", "give the pool one thread for each request in flight, or use await", "small-pool"
    ),
    "client connections": Explanation(
        "", "give the client one connection for each call in flight", "client-life"
    ),
    "database connections": Explanation(
        "", "give the database pool one connection for each query in flight"
    ),
    "worker restarts": Explanation("the worker is killed repeatedly", AWAIT, "gunicorn-timeout"),
}


def get_possible_rps(case: MeasuredScenario) -> float | None:
    """Return the rate that its load offers; None where it is unknown, and where random arrivals
    are all served: their number is chance."""
    return None if case.serves_random_arrivals else case.ceiling_rps


def explain(case: MeasuredScenario) -> Explanation:
    if is_blocked_by_clients(case):
        clause = "creating a client for each request blocks the event loop"
        return Explanation(clause, ONE_CLIENT, "client-life")
    has_cause = case.limit is not None and case.limit.resource not in FILLED_BY_FAILURES
    if case.get_median("failure_ratio") == 1 and case.blocked_share is None and not has_cause:
        return Explanation("all of its requests fail")
    if case.blocked_share is not None:
        share = formats.percent(case.blocked_share)
        clause = f"a blocking call blocks the event loop for {share} of the time"
        return Explanation(clause, AWAIT, "one-blocks-all")
    limit = case.limit
    if limit is None:
        return explain_disagreement(case)
    if limit.resource == "users" and not case.reaches_ceiling:
        late = 1 + (case.get_median("upstream_late_share") or 0.0)
        most = case.ceiling_rps
        is_late = most is not None and late * case.rate >= REACHED_SHARE * most
        return KNOWN["upstream"] if is_late else BY_ITSELF
    return explain_limit(limit)


def explain_disagreement(case: MeasuredScenario) -> Explanation:
    """Explain trials among which no limit has a majority."""
    found = {find_measured_limit(each, case.scenario).resource for each in case.usable_trials}
    if len(found) < 2:
        codes = {verdict.code for each in case.usable_trials for verdict in each.verdicts}
        full = find_resource_code(codes)
        may = Explanation(f"a resource may be saturated ({full})")
        return may if full else KNOWN["unexplained"]
    named = ", ".join(sorted("none" if each == "unexplained" else each for each in found))
    return Explanation(f"its trials have different limits ({named})")


def explain_limit(limit: MeasuredLimit) -> Explanation:
    if limit.resource == "event loop":
        return explain_loop(limit)
    if limit.resource == "worker restarts":
        return explain_deaths(limit)
    if limit.resource == "cores":
        return Explanation(describe_cores(limit))
    is_executor = limit.whose == "asyncio's executor"
    found = EXECUTOR if is_executor else KNOWN[limit.resource]
    if limit.resource not in PLACES:
        return found
    places = count_places(limit)
    is_one = places.startswith("1 ")
    clause = f"the only {places[2:]} is busy" if is_one else f"all {places} are busy"
    return replace(found, clause=clause)


def count_places(limit: MeasuredLimit) -> str:
    """As in "40 threads in the pool"."""
    thing, whose = PLACES[limit.resource]
    if limit.whose == "asyncio's executor":
        whose = f"in {limit.whose}"
    return f"{formats.count_things(round(limit.capacity or 0.0), thing)} {whose}"


def explain_loop(limit: MeasuredLimit) -> Explanation:
    share, place = formats.percent(limit.blocked_share), describe_site(limit)
    if limit.computes:
        clause = f"code computes on the event loop for {share} of the time{place}"
        return Explanation(clause, PROCESSES, "cpu")
    clause = f"the event loop is blocked for {share} of the time{place}"
    return Explanation(clause, AWAIT, "one-blocks-all")


def describe_site(limit: MeasuredLimit) -> str:
    """As in ", mostly at app/clients.py:57 fetch"; empty where no site is known."""
    if limit.whose is None:
        return ""
    is_most = limit.whose_share > MOST_OF_THE_TIME * limit.share
    return f", {'mostly' if is_most else 'for example'} at {limit.whose}"


def explain_deaths(limit: MeasuredLimit) -> Explanation:
    """Refer to a rule only where the server killed the worker."""
    causes, count = limit.whose.split(", ") if limit.whose else [], round(limit.used or 0.0)
    if are_kills(causes):
        killed = KNOWN["worker restarts"]
        return killed if count > 1 else replace(killed, clause="a worker is killed")
    clause = f"{formats.count_things(count, 'worker')} ended"
    if causes and not any(are_kills([each]) for each in causes):
        clause += " by itself" if count == 1 else " by themselves"
    return Explanation(clause)


def describe_cores(limit: MeasuredLimit) -> str:
    cores = formats.count_things(round(limit.capacity or 0.0), "core")
    if limit.whose == OTHERS:
        return f"other programs use more of {cores} than the server or the load generator"
    both = "the server and the load generator together use"
    who = both if limit.whose == "machine" else "the server uses"
    return f"{who} {'a whole core' if limit.capacity == 1 else f'all of {cores}'}"
