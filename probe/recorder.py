"""What one process knows of its requests: the ones in flight, and the ones to be written."""

import logging
from inspect import iscoroutinefunction
from itertools import count
from math import isnan
from time import monotonic

from .journal import Journal, Row
from .visit import Scope, Visit, request_id_of, route_of

log = logging.getLogger("probe")


class Recorder:
    """`arrive` and `leave` run on the loop for every request, so they do next to nothing;
    `write_visits` runs on the watchdog's thread and does the rest."""

    def __init__(self) -> None:
        self.off = False
        self.in_flight: dict[int, Visit] = {}
        self.loop_thread_id = 0
        self._left: list[Visit] = []
        self._numbers = count(1)
        self._awaits: dict[object, bool] = {}

    def arrive(self, scope: Scope) -> Visit:
        number = next(self._numbers)
        visit = self.in_flight[number] = Visit(number, scope, monotonic())
        return visit

    def leave(self, visit: Visit) -> None:
        del self.in_flight[visit.number]
        self._left.append(visit)

    def switch_off(self, error: BaseException) -> None:
        """An instrument that breaks is taken out; the app goes on without it."""
        if not self.off:
            self.off = True
            log.error("the probe is switched off: %r", error, exc_info=error)

    def write_visits(self, journal: Journal) -> None:
        """Everything that changed since the last time, the unfinished too."""
        left, self._left = self._left, []
        held = [visit for visit in list(self.in_flight.values()) if self._progress(visit)]
        journal.rows("h", [self._row(visit, journal) for visit in left + held])

    def _progress(self, visit: Visit) -> bool:
        """Whether a snapshot of an unfinished request would tell something new."""
        known = (visit.queued_s, visit.started_s, visit.ended_s, visit.sent_s)
        reached = 1 + sum(not isnan(moment) for moment in known)
        changed, visit.written = reached > visit.written, reached
        return changed

    def _row(self, visit: Visit, journal: Journal) -> Row:
        started_s, thread_id, kind = visit.started_s, visit.thread_id, visit.thread_kind
        if kind is None and self._is_awaited(visit.scope.get("endpoint")):
            started_s, thread_id, kind = visit.arrived_s, self.loop_thread_id, "loop"
        return (
            visit.number,
            request_id_of(visit.scope),
            journal.text(route_of(visit.scope)),
            visit.arrived_s,
            visit.queued_s,
            started_s,
            visit.ended_s,
            visit.sent_s,
            visit.pool_wait_s,
            thread_id,
            journal.text(kind),
            visit.status,
        )

    def _is_awaited(self, endpoint: object) -> bool:
        """True for a coroutine endpoint: it runs on the loop. Unknown endpoints are not guessed."""
        if endpoint is None:
            return False
        known = self._awaits.get(endpoint)
        if known is None:
            known = self._awaits[endpoint] = iscoroutinefunction(endpoint)
        return known
