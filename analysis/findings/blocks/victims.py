"""The requests of other routes that were in flight while a place blocked the loop, and how late
each request was: the most that it lost to all places together."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from analysis.findings.base import Victim
from analysis.findings.blocks.causes import BLOCK_S
from analysis.findings.blocks.shares import StretchShare, sum_by_stretch
from analysis.findings.delays import locate_delays
from analysis.findings.evidence import AuditEvidence, Stretch, compute_once
from analysis.findings.places import BlockPlace
from analysis.stats.quantiles import Values

LEAST_S = 0.001
"""A request that lost less is no victim."""


class RequestsInFlight:
    """Client rows of an audit, and the lateness of each: its latency above the median of its
    route's requests without a block and with little delay. If there are none, it is the latency
    above the route's minimum without own delays.

    A request without a response lasts until its user's next one. blocked_s: of its time; delays:
    its own (locate_delays); lost_share: the share of both that made it late.
    """

    def __init__(self, evidence: AuditEvidence) -> None:
        rows = locate_requests(evidence)
        self.routes = rows["route"].to_numpy()
        self.pids = rows["pid"].to_numpy()
        self.started_s: Values = rows["started_s"].to_numpy()
        self.ended_s: Values = rows["until_s"].to_numpy()
        self.blocked_s: Values = np.zeros(rows.height)
        self._order = np.argsort(self.started_s, kind="stable")
        self._starts_s: Values = self.started_s[self._order]
        self._last_end_s: Values = np.maximum.accumulate(self.ended_s[self._order])
        for stretch in evidence.stretches:
            self.add_overlap(self.blocked_s, stretch, 1.0)
        self.delays = self._limit_delays(locate_delays(evidence, rows))
        self.delayed_s: Values = self.sum_delays(self.delays)
        self.late_s = self._measure_lateness(rows["ended_s"].is_not_null().to_numpy())
        met_s = np.maximum(self.blocked_s + self.delayed_s, 1e-9)
        self.lost_share: Values = np.minimum(1.0, self.late_s / met_s)

    def _limit_delays(self, delays: pl.DataFrame) -> pl.DataFrame:
        """Limit delays to the latency: a middleware may outlast a client that gave up."""
        took_s, delayed_s = self.ended_s - self.started_s, self.sum_delays(delays)
        part = np.minimum(1.0, took_s / np.maximum(delayed_s, 1e-9))
        return delays.with_columns(seconds=pl.col("seconds") * part[delays["row"].to_numpy()])

    def sum_delays(self, delays: pl.DataFrame) -> Values:
        """Sum the delays by request."""
        rows, seconds = delays["row"].to_numpy(), delays["seconds"].to_numpy()
        return np.bincount(rows, seconds, len(self.routes)).astype(float)

    def list_losses(self, delays: pl.DataFrame) -> Iterator[tuple[str, Values]]:
        """Yield, by route, what each of its requests lost through these delays."""
        lost_s = self.sum_delays(delays) * self.lost_share
        for route in sorted(set(self.routes[lost_s > 0])):
            yield route, lost_s[self.routes == route]

    def add_overlap(self, seconds: Values, stretch: Stretch, part: float) -> None:
        """Add `part` of the overlap with each request of its process to that request's seconds."""
        first = np.searchsorted(self._last_end_s, stretch.began_s, side="right")
        rows = self._order[first : np.searchsorted(self._starts_s, stretch.ended_s)]
        rows = rows[self.pids[rows] == stretch.pid]
        begin_s = np.maximum(self.started_s[rows], stretch.began_s)
        overlap_s = np.minimum(self.ended_s[rows], stretch.ended_s) - begin_s
        seconds[rows] += np.maximum(overlap_s, 0.0) * part

    def _measure_lateness(self, answered: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Values:
        took_s = self.ended_s - self.started_s
        late_s: Values = np.zeros(len(took_s))
        for route in set(self.routes):
            mine = self.routes == route
            free = took_s[mine & answered & (self.blocked_s == 0) & (self.delayed_s < BLOCK_S)]
            known = (took_s - self.delayed_s)[mine & answered]
            if len(known):
                usual_s = np.median(free) if len(free) else known.min()
                late_s[mine] = np.maximum(0.0, took_s[mine] - usual_s)
        return late_s


@compute_once
def find_requests_in_flight(evidence: AuditEvidence) -> RequestsInFlight:
    return RequestsInFlight(evidence)


@compute_once
def locate_requests(evidence: AuditEvidence) -> pl.DataFrame:
    """Join client rows with the process and the visit that served them. Without handler rows, the
    process is known only if there is just one. until_s: when a request ended or was given up, at
    the latest when its user sent the next one, or its phase ended. For the user's own traffic, use
    the app's rows."""
    if evidence.asked.is_empty():
        return locate_visits(evidence)
    handlers = evidence.handlers.select("request_id", "pid", "visit")
    served = handlers.drop_nulls(["request_id", "pid"]).unique("request_id", keep="first")
    pids = set(served["pid"]) | {each.pid for each in evidence.stretches}
    only = next(iter(pids)) if len(pids) == 1 else 0
    ends = pl.DataFrame(
        [(each.name, each.ended_s) for each in evidence.record.phases],
        schema={"phase": pl.String, "phase_end_s": pl.Float64},
        orient="row",
    ).unique("phase", keep="last")
    next_s = pl.col("started_s").shift(-1).over("phase", "user", order_by="started_s")
    asked = evidence.asked.with_columns(next_s=pl.when(pl.col("user").is_not_null()).then(next_s))
    rows = asked.join(served, on="request_id", how="left").join(ends, on="phase", how="left")
    return rows.drop_nulls(["route", "started_s"]).with_columns(
        pl.col("pid").fill_null(only),
        until_s=pl.coalesce(
            "ended_s",
            pl.max_horizontal("started_s", pl.min_horizontal("next_s", "phase_end_s")),
            evidence.record.ended_s,
        ),
    )


def locate_visits(evidence: AuditEvidence) -> pl.DataFrame:
    """Measure from the arrival in the app until the response was sent. A request that waits for the
    event loop before that has not arrived yet."""
    is_http = pl.col("protocol").fill_null("http") == "http"
    rows = evidence.handlers.filter(is_http).select(
        "pid", "visit", "route", started_s="arrived_s", ended_s="sent_s"
    )
    until_s = pl.max_horizontal(
        "started_s", pl.coalesce("ended_s", pl.lit(evidence.record.ended_s))
    )
    return rows.drop_nulls(["route", "started_s"]).with_columns(until_s=until_s)


def find_victims(
    sites: Mapping[BlockPlace, Sequence[StretchShare]], evidence: AuditEvidence
) -> Mapping[BlockPlace, tuple[Victim, ...] | None]:
    """Find the victims, the most harmed first. None if the blocking route is unknown: then its own
    requests cannot be distinguished.

    No request loses more than its lateness, to all places together.
    """
    requests = find_requests_in_flight(evidence)
    found: dict[BlockPlace, tuple[Victim, ...] | None] = {}
    for place, shares in sites.items():
        lost_s: Values = np.zeros(len(requests.routes))
        for stretch, seconds in sum_by_stretch(shares):
            part = seconds / stretch.clocks.length_s if stretch.clocks.length_s else 0.0
            requests.add_overlap(lost_s, stretch, part)
        lost_s *= requests.lost_share
        found[place] = None if place.route is None else list_victims(place.route, requests, lost_s)
    return found


def list_victims(route: str, requests: RequestsInFlight, lost_s: Values) -> tuple[Victim, ...]:
    victims = [
        Victim(other, int(np.count_nonzero(mine)), float(lost_s[mine].sum()))
        for other in sorted(set(requests.routes) - {route})
        for mine in [(requests.routes == other) & (lost_s >= LEAST_S)]
        if mine.any()
    ]
    return tuple(sorted(victims, key=lambda each: -each.seconds))
