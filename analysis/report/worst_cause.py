"""The worst cause that an audit found: for a full queue, the code that holds it, not the requests
that wait."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.findings import AuditFinding
from analysis.findings.waits.find_queue import find_queue
from analysis.findings.waits.pool_deadlock import PoolDeadlock
from analysis.findings.waits.queue_wait import QueueWait, describe_holder
from analysis.report.finding_words import SHOWN_S, format_place, format_route, name_finding
from analysis.stats import formats


def describe_worst(found: Sequence[AuditFinding]) -> str:
    """Describe the worst cause. found: the worst first."""
    worst = choose_worst(found)
    if isinstance(worst, PoolDeadlock):
        return describe_deadlock(worst)
    waits = [each for each in group_worst(found) if isinstance(each, QueueWait)]
    return describe_queue(waits) if waits else describe_place(worst)


def choose_worst(found: Sequence[AuditFinding]) -> AuditFinding:
    """Choose the finding that represents the worst cause. found: the worst first."""
    worst = group_worst(found)
    stuck = next((each for each in worst if isinstance(each, PoolDeadlock)), None)
    return stuck or max(worst, key=lambda each: measure_harm([each]))


def group_worst(found: Sequence[AuditFinding]) -> list[AuditFinding]:
    """Group the findings about the same queue, which have one cause, and return the worst group."""
    groups: dict[object, list[AuditFinding]] = defaultdict(list)
    for number, each in enumerate(found):
        groups[find_queue(each) or number].append(each)
    return max(groups.values(), key=measure_harm)


def describe_deadlock(stuck: PoolDeadlock) -> str:
    requests = formats.count_things(stuck.count or 0, "request")
    return f"{stuck.describe_stand()}; {requests} lost {stuck.seconds or 0.0:,.1f} s in total"


def measure_harm(found: Sequence[AuditFinding]) -> tuple[float, float]:
    """Return the seconds taken from other routes' requests, and the findings' own seconds."""
    return sum(each.taken_s for each in found), sum(each.seconds or 0.0 for each in found)


def describe_queue(waits: Sequence[QueueWait]) -> str:
    """Name the code that keeps the queue full, and the requests that wait."""
    named, worst = waits[0].queue_name, max(waits, key=lambda each: measure_harm([each]))
    routes = {each.route for each in waits}
    which = f"of {formats.count_things(len(routes), 'route')}"
    if len(routes) == 1:
        which = f"of {worst.route}" if worst.route else "of unknown routes"
    waited_s = sum(each.seconds or 0.0 for each in waits)
    waited = f"requests {which} waited {waited_s:,.1f} s for"
    blamed_s = share_waits(waits)
    if not blamed_s:
        return f"{waited} a {named.unit} of {named.name}"
    holder = max(blamed_s, key=lambda each: blamed_s[each])
    size = "" if worst.capacity is None else f" ({worst.capacity:,.0f} in total)"
    share = f"{100 * blamed_s[holder] / waited_s:.0f} %"
    return (
        f"{holder} holds {named.unit}s of {named.name}{size}; {waited} one, {share} of it behind "
        "this code"
    )


def share_waits(waits: Sequence[QueueWait]) -> dict[str, float]:
    """Return the seconds of waiting behind each holder. Each token in use accounts for an equal
    part of a wait; the part of tokens whose use is unknown is assigned to no holder."""
    blamed_s: dict[str, float] = defaultdict(float)
    for each in waits:
        kept_s = sum(holder.seconds for holder in each.holders or ())
        known = min(1.0, each.in_use / each.capacity) if each.capacity else 1.0
        for holder in each.holders or ():
            part = known * holder.seconds / kept_s
            blamed_s[describe_holder(holder)] += (each.seconds or 0.0) * part
    return blamed_s


def describe_place(worst: AuditFinding) -> str:
    seconds = "" if (worst.seconds or 0.0) < SHOWN_S else f", {worst.seconds:,.1f} s"
    place = f"{format_place(worst)}, {format_route(worst)}"
    if worst.code == "LOOP_BLOCKED":
        place = f"{place}, blocks the event loop for {worst.seconds:,.1f} s"
    else:
        place = f"{place}: {name_finding(worst)}{seconds}"
    if not worst.taken_s:
        return place
    is_own = any(each.route == worst.route for each in worst.victims or ())
    victims = "its requests" if is_own else "requests of other routes"
    return f"{place}; {victims} lost {worst.taken_s:,.1f} s"
