"""The worst cause that an audit found: of a full queue who keeps it full, and not who waits."""

from collections import defaultdict
from collections.abc import Sequence

from analysis.findings import AuditFinding
from analysis.findings.queue_wait import QueueWait
from analysis.report.finding_words import SHOWN_S, count, format_place, format_route, name_finding


def describe_worst(found: Sequence[AuditFinding]) -> str:
    """found: the worst first. Waits for one queue have one cause: together they are one."""
    groups: dict[object, list[AuditFinding]] = defaultdict(list)
    for number, each in enumerate(found):
        groups[each.queue_name if isinstance(each, QueueWait) else number].append(each)
    worst = max(groups.values(), key=measure_harm)
    waits = [each for each in worst if isinstance(each, QueueWait)]
    return describe_queue(waits) if waits else describe_place(worst[0])


def measure_harm(found: Sequence[AuditFinding]) -> tuple[float, float]:
    """Seconds of other routes' requests, and their own."""
    return sum(each.taken_s for each in found), sum(each.seconds or 0.0 for each in found)


def describe_queue(waits: Sequence[QueueWait]) -> str:
    """By the holders of the worst wait."""
    name, worst = waits[0].queue_name, max(waits, key=lambda each: measure_harm([each]))
    routes = {each.route for each in waits}
    which = f"of {count('route', len(routes))}"
    if len(routes) == 1:
        which = f"of {worst.route}" if worst.route else "of unknown routes"
    waited_s = sum(each.seconds or 0.0 for each in waits)
    return (
        f"{worst.describe_use(f' of {name.name}', f' while {format_route(worst)} waits')}; "
        f"requests {which} waited {waited_s:,.1f} s for a {name.unit}"
    )


def describe_place(worst: AuditFinding) -> str:
    seconds = "" if (worst.seconds or 0.0) < SHOWN_S else f", {worst.seconds:,.1f} s"
    place = f"{format_place(worst)}, {format_route(worst)}"
    if worst.code == "LOOP_BLOCKED":
        place = f"{place}, blocks the event loop for {worst.seconds:,.1f} s"
    else:
        place = f"{place}: {name_finding(worst)}{seconds}"
    if not worst.taken_s:
        return place
    return f"{place}; requests of other routes lost {worst.taken_s:,.1f} s"
