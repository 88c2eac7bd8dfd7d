"""Who lost time to whom: culprits by routes, in seconds, over all findings of an audit.

A culprit is a place that blocks the event loop, one that keeps threads while requests wait for
them, or a middleware that keeps answers. A request loses no more than it was late, to all culprits
together (victims.RequestsInFlight). Waits behind requests of the same route are no loss to others.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from analysis.findings.base import AuditFinding, Culprit, HarmMatrix, Victim
from analysis.findings.delays import DelayKind
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import shorten_file, shorten_function
from analysis.findings.victims import LEAST_S, RequestsInFlight
from analysis.stats.quantiles import Values
from scenarios.units import Second

BLOCKS = "LOOP_BLOCKED"
WAITS: Mapping[str, DelayKind] = {"POOL_WAIT": "pool", "EXECUTOR_WAIT": "executor"}
"""Findings whose place waits, and which delays are theirs."""
DEADLOCK = "POOL_DEADLOCK"
KEEPS = "ANSWER_DELAYED"


@dataclass(frozen=True, slots=True)
class Charge:
    """What requests of a route lost to a culprit. finding: its number, whose victims they are."""

    finding: int
    culprit: Culprit
    route: str
    requests: int
    seconds: Second


def charge_findings(
    found: Sequence[AuditFinding], evidence: AuditEvidence
) -> tuple[tuple[AuditFinding, ...], HarmMatrix]:
    """The findings with their victims, and all that was lost."""
    charges: list[Charge] = []
    if any(each.code in WAITS or each.code == KEEPS for each in found):
        requests = RequestsInFlight(evidence)
        charges += charge_waits(found, requests)
        charges += charge_kept_answers(found, requests, evidence.record.folder)
    charged = tuple(add_victims(number, each, charges) for number, each in enumerate(found))
    charges += charge_blocks(found)
    return charged, build_matrix(charges)


def add_victims(number: int, finding: AuditFinding, charges: Sequence[Charge]) -> AuditFinding:
    """Those of a wait without holders are not known."""
    is_known = finding.code == KEEPS or (finding.code in WAITS and finding.holders)
    mine = [each for each in charges if each.finding == number]
    if not mine and not is_known:
        return finding
    victims = (
        Victim(route, max(each.requests for each in here), sum(each.seconds for each in here))
        for route in dict.fromkeys(each.route for each in mine)
        for here in [[each for each in mine if each.route == route]]
    )
    return replace(finding, victims=tuple(sorted(victims, key=lambda each: -each.seconds)))


def charge_blocks(found: Sequence[AuditFinding]) -> Iterator[Charge]:
    """Their victims are known (victims.find_victims)."""
    for number, each in enumerate(found):
        if each.code == BLOCKS:
            culprit = Culprit(
                "blocks the loop", each.route, each.phase, each.file, each.line, each.function
            )
            for victim in each.victims or ():
                yield Charge(number, culprit, victim.route, victim.requests, victim.seconds)


def charge_waits(found: Sequence[AuditFinding], requests: RequestsInFlight) -> Iterator[Charge]:
    """What a route lost by waits of a kind is shared out among its findings of this kind, by their
    seconds, and of each among its holders, by theirs. A deadlock answers for its holders."""
    deadlocks = {
        culprit: number
        for number, each in enumerate(found)
        if each.code == DEADLOCK
        for culprit, _ in share_among_holders(each)
    }
    groups: dict[tuple[str, DelayKind], list[tuple[int, AuditFinding]]] = defaultdict(list)
    for number, each in enumerate(found):
        if each.code in WAITS and each.route is not None and each.seconds:
            groups[each.route, WAITS[each.code]].append((number, each))
    for (route, kind), mine in groups.items():
        lost_s = requests.measure_loss(pl.col("kind") == kind, route)
        count, total_s = count_losers(lost_s), sum(each.seconds or 0.0 for _, each in mine)
        for number, each in mine if count else ():
            all_s = float(lost_s.sum()) * (each.seconds or 0.0) / total_s
            concerned = min(count, each.count or count)
            for culprit, share in share_among_holders(each):
                if culprit.route != route and share:
                    owner = deadlocks.get(culprit, number)
                    yield Charge(owner, culprit, route, concerned, all_s * share)


def share_among_holders(finding: AuditFinding) -> Iterator[tuple[Culprit, float]]:
    """Shares of one."""
    holders = finding.holders or ()
    total_s = sum(each.seconds for each in holders)
    for each in holders if total_s else ():
        place = each.route, each.phase, each.file, each.line, each.function
        yield Culprit("keeps threads", *place), each.seconds / total_s


def charge_kept_answers(
    found: Sequence[AuditFinding], requests: RequestsInFlight, folder: str
) -> Iterator[Charge]:
    """A middleware is no route's own: every request whose answer it keeps is a victim."""
    layers = requests.delays["layer"].drop_nulls().unique().to_list()
    places = {layer: parse_layer(layer, folder) for layer in layers}
    for number, each in enumerate(found):
        if each.code != KEEPS:
            continue
        mine = [layer for layer, place in places.items() if place == (each.file, each.function)]
        culprit = Culprit("keeps answers", None, each.phase, each.file, each.line, each.function)
        routes = set(requests.routes) if each.route is None else {each.route}
        for route in sorted(routes):
            lost_s = requests.measure_loss(pl.col("layer").is_in(mine), route)
            if count := count_losers(lost_s):
                yield Charge(number, culprit, route, count, float(lost_s.sum()))


def parse_layer(layer: str, folder: str) -> tuple[str, str]:
    """File and function of "file:first_line qualname"."""
    place, _, function = layer.partition(" ")
    return shorten_file(place.rpartition(":")[0], folder), shorten_function(function)


def count_losers(lost_s: Values) -> int:
    return int(np.count_nonzero(lost_s >= LEAST_S))


def build_matrix(charges: Sequence[Charge]) -> HarmMatrix:
    """The worst culprits and the most harmed routes first."""
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
