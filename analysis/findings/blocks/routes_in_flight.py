"""The route of a block without a known request: uvloop does not report which handle runs, and a
middleware runs its callees in a separate task."""

from dataclasses import replace

import numpy as np

from analysis.findings.evidence import AuditEvidence, StackSample, Stretch
from analysis.findings.framework import BlockPhase
from analysis.findings.places import PlaceFinder
from analysis.stats.quantiles import Values

OUTSIDE: frozenset[BlockPhase] = frozenset({"startup", "callback"})
"""Phases outside of requests."""


class RoutesInFlight:
    """Requests of each process, from their arrival in the app until they left it."""

    def __init__(self, evidence: AuditEvidence) -> None:
        rows = evidence.handlers.drop_nulls(["pid", "arrived_s"])
        self._routes = rows["route"].to_list()
        self._pids = rows["pid"].to_numpy()
        self._arrived_s: Values = rows["arrived_s"].to_numpy()
        self._left_s: Values = rows["returned_s"].fill_null(float("inf")).to_numpy()
        visits = rows.select("pid", "visit", "returned_s").drop_nulls()
        self._left_s_of = {(pid, visit): left_s for pid, visit, left_s in visits.iter_rows()}

    def mark_late(self, stretch: Stretch) -> Stretch:
        """Mark a block of a task that has outlived its request, perhaps by the whole audit."""
        left_s = self._left_s_of.get((stretch.pid, stretch.visit))
        is_late = left_s is not None and left_s <= stretch.began_s
        return replace(stretch, is_late=True) if is_late else stretch

    def fill_route(self, stretch: Stretch, finder: PlaceFinder) -> Stretch:
        """Fill in the route if all requests in flight have the same one and each sample is inside a
        request. No request arrives or leaves while the loop is blocked, so one moment is enough."""
        if stretch.visit is not None or stretch.route is not None or not stretch.samples:
            return stretch
        if any(is_outside(each, finder) for each in stretch.samples):
            return stretch
        at_s = stretch.samples[0].at_s
        is_there = (self._arrived_s <= at_s) & (at_s <= self._left_s)
        (rows,) = np.nonzero(is_there & (self._pids == stretch.pid))
        routes = {self._routes[row] for row in rows}
        return replace(stretch, route=routes.pop()) if len(routes) == 1 else stretch


def is_outside(sample: StackSample, finder: PlaceFinder) -> bool:
    """Return True if the sample belongs to no request."""
    return not sample.stack or finder.locate(sample.stack, None).place.phase in OUTSIDE
