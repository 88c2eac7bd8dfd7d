"""The harm matrix: the seconds that requests of each route lost to each culprit, over all findings.

A culprit is code that blocks the event loop, code that holds threads while requests wait for them,
or a middleware that delays responses. A request loses at most its own lateness to all culprits
together (victims.RequestsInFlight). Waits behind requests of the same route do not count.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.findings.base import AuditFinding, Culprit, HarmMatrix, Victim
from analysis.findings.blocks.victims import LEAST_S, find_requests_in_flight
from analysis.findings.delays import DELAY_KEY, DelayKind
from analysis.findings.evidence import AuditEvidence
from analysis.stats.quantiles import Values
from scenarios.units import Second

BLOCKS, DEADLOCK, PINNED = "LOOP_BLOCKED", "POOL_DEADLOCK", "THREADS_PINNED"
DELAYS: Mapping[str, DelayKind] = {
    "POOL_WAIT": "pool",
    "EXECUTOR_WAIT": "executor",
    "ANSWER_DELAYED": "middleware",
}
"""The findings that delay single requests, with the kind of their delays."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What requests of a route lost to a culprit. finding: the number of the victims' finding."""

    finding: int
    culprit: Culprit
    route: str
    requests: int
    seconds: Second


def charge_findings(
    found: Sequence[AuditFinding], evidence: AuditEvidence
) -> tuple[tuple[AuditFinding, ...], HarmMatrix]:
    """Return the findings with their victims, and the harm matrix."""
    charges = list(charge_delays(found, evidence))
    charged = tuple(add_victims(number, each, charges) for number, each in enumerate(found))
    return charged, build_matrix([*charges, *charge_blocks(found)])


def add_victims(number: int, finding: AuditFinding, charges: Sequence[Charge]) -> AuditFinding:
    """Add the charged victims. A wait without known holders has unknown victims. Pinned threads may
    harm requests without any other finding: without a charge, the finding stays unchanged."""
    mine = [each for each in charges if each.finding == number]
    if finding.code not in (*DELAYS, DEADLOCK) and not mine:
        return finding
    if finding.code in DELAYS and DELAYS[finding.code] != "middleware" and not finding.holders:
        return replace(finding, victims=None)
    victims = (
        Victim(route, max(each.requests for each in here), sum(each.seconds for each in here))
        for route in dict.fromkeys(each.route for each in mine)
        for here in [[each for each in mine if each.route == route]]
    )
    return replace(finding, victims=tuple(sorted(victims, key=lambda each: -each.seconds)))


def charge_blocks(found: Sequence[AuditFinding]) -> Iterator[Charge]:
    """Charge the victims of each block, which are known (victims.find_victims)."""
    for number, each in enumerate(found):
        if each.code == BLOCKS:
            culprit = Culprit(
                "blocks the loop", each.route, each.phase, each.file, each.line, each.function
            )
            for victim in each.victims or ():
                yield Charge(number, culprit, victim.route, victim.requests, victim.seconds)


def charge_delays(found: Sequence[AuditFinding], evidence: AuditEvidence) -> Iterator[Charge]:
    """Charge the delays. Several findings at one place share them in proportion to their seconds. A
    deadlock is charged for its holders, and a finding of pinned threads for its place."""
    places: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, each in enumerate(found):
        if each.code in DELAYS:
            places[get_delay_key(each)].append(number)
    if not places:
        return
    requests, owners = find_requests_in_flight(evidence), list_owners(found)
    for key, rows in requests.delays.partition_by(DELAY_KEY, as_dict=True).items():
        numbers = places.get(key, [])
        total_s = sum(found[number].seconds or 0.0 for number in numbers)
        for route, lost_s in requests.list_losses(rows):
            for number in numbers if total_s else ():
                part = (found[number].seconds or 0.0) / total_s
                yield from charge_delay(number, found[number], route, lost_s * part, owners)


def get_delay_key(finding: AuditFinding) -> tuple[object, ...]:
    """Return the DELAY_KEY. The cause counts only as the side of a middleware's delay."""
    kind = DELAYS[finding.code]
    side = "request" if finding.cause == "request" else "answer"
    place = finding.route, finding.phase, finding.file, finding.line, finding.function
    return kind, *place, side if kind == "middleware" else None


def charge_delay(
    number: int,
    finding: AuditFinding,
    route: str,
    lost_s: Values,
    owners: Mapping[Culprit, int],
) -> Iterator[Charge]:
    """lost_s: per request of the route."""
    requests, seconds = int(np.count_nonzero(lost_s >= LEAST_S)), float(lost_s.sum())
    for culprit, share in share_among_culprits(finding):
        if culprit.route != route and requests and share:
            owner = owners.get(replace(culprit, line=None), number)
            yield Charge(owner, culprit, route, requests, seconds * share)


def list_owners(found: Sequence[AuditFinding]) -> Mapping[Culprit, int]:
    """Map culprits, without their line, to the findings about them."""
    pinned = (
        (Culprit("keeps threads", each.route, each.phase, each.file, None, each.function), number)
        for number, each in enumerate(found)
        if each.code == PINNED
    )
    stuck = (
        (replace(culprit, line=None), number)
        for number, each in enumerate(found)
        if each.code == DEADLOCK
        for culprit, _ in share_among_culprits(each)
    )
    return {**dict(pinned), **dict(stuck)}


def share_among_culprits(finding: AuditFinding) -> Iterator[tuple[Culprit, float]]:
    """Yield each culprit's share, from 0 to 1, in proportion to the holders' seconds. A middleware
    is itself the culprit and has no route: every request that it delays is a victim."""
    if finding.code == "ANSWER_DELAYED":
        place = finding.phase, finding.file, finding.line, finding.function
        yield Culprit("delays answers", None, *place), 1.0
        return
    holders = finding.holders or ()
    total_s = sum(each.seconds for each in holders)
    for each in holders if total_s else ():
        where = each.route, each.phase, each.file, each.line, each.function
        yield Culprit("keeps threads", *where), each.seconds / total_s


def build_matrix(charges: Sequence[Charge]) -> HarmMatrix:
    """Sort the worst culprits and the most harmed routes first."""
    cells: dict[tuple[Culprit, str], Second] = defaultdict(float)
    rows: dict[Culprit, Second] = defaultdict(float)
    columns: dict[str, Second] = defaultdict(float)
    for each in charges:
        cells[each.culprit, each.route] += each.seconds
        rows[each.culprit] += each.seconds
        columns[each.route] += each.seconds
    culprits = sorted(rows, key=lambda each: -rows[each])
    routes = sorted(columns, key=lambda each: (-columns[each], each))
    seconds = (tuple(cells.get((row, route), 0.0) for route in routes) for row in culprits)
    return HarmMatrix(tuple(culprits), tuple(routes), tuple(seconds))
