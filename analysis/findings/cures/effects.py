"""The routes that a change makes slower, as predicted or measured."""

from collections.abc import Sequence
from math import inf

from analysis.findings.base import AuditFinding
from analysis.findings.remedies import RouteLevel

TIE = 1.05
"""Medians that differ by a smaller factor count as equal."""


def list_slower(found: AuditFinding) -> set[str]:
    """List the routes that the finding's own change makes slower. A trial of its kind counts, such
    as pool=40 for pool=30."""
    slower = set[str]()
    if found.predicted is not None:
        pairs = pair_levels(found.predicted.before, found.predicted.after)
        slower = {each[0].route for each in pairs if compute_gain(*each) < 1 / TIE}
    own = read_kind(found.cure.trial if found.cure else None)
    if found.tried is not None and own and read_kind(found.tried.trial) == own:
        slower |= {*found.tried.worse}
    return slower


def read_kind(trial: str | None) -> str:
    return (trial or "").partition("=")[0]


def pair_levels(
    before: Sequence[RouteLevel], after: Sequence[RouteLevel]
) -> list[tuple[RouteLevel, RouteLevel]]:
    """Pair the levels before and after by route."""
    known = {each.route: each for each in after}
    return [(each, known[each.route]) for each in before if each.route in known]


def compute_gain(before: RouteLevel, after: RouteLevel) -> float:
    """Return the ratio of the medians; more than 1 is better."""
    if after.p50_ms:
        return before.p50_ms / after.p50_ms
    return inf if before.p50_ms else 1.0
