"""A client, a TLS context or a database connection that each request of a route creates."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import ClassVar, Self

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Severity
from analysis.findings.cures.once_cures import cure_connection, cure_made_thing
from analysis.findings.evidence import AuditEvidence
from analysis.findings.places import BlockPlace, build_finder
from analysis.findings.remedies import Cure
from analysis.findings.resources.things_made import (
    CONNECTIONS,
    ENDS,
    TASK,
    THREADS,
    MadeThing,
    group_made,
    measure_spent_ms,
)
from analysis.findings.time_asked import count_most_at_once, count_requests, measure_share
from analysis.stats import formats

LEAST_REQUESTS, MOST_OF = 3, 0.5
"""If fewer requests, or a smaller share, create it, it is created once or renewed occasionally."""
DEAR_MS, DEAR_SHARE = 5.0, 0.01
CHEAP_MS = 1.0
"""A TLS context that takes less CPU has no trust anchors to load and no other cost."""
MANY_REQUESTS = 10
TLS_CONTEXT, TLS_MAKER = "TLS context", "create_default_context"


@dataclass(frozen=True, kw_only=True)
class ClientPerRequest(AuditFinding):
    """seconds, median_ms, longest_ms: CPU of the thread that creates it; for a connection, the time
    that the request waits for it. share: of that CPU in the time in which the route was called.
    call: what is created.

    severity: `info` if it takes less than 5 ms and a hundredth of the time. confidence: `high` from
    ten requests on, with a line of the user's.
    """

    short: ClassVar[str] = "client per request"
    clause: ClassVar[str] = "requests create their own clients"
    meaning: ClassVar[str] = "each request creates a client, a TLS context or a database connection"
    remedy: ClassVar[str] = "create one at startup and share it; take connections from a pool"
    asked: int
    """Requests of the route."""

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        requests, most_at_once = count_requests(evidence), count_most_at_once(evidence)
        found = group_made(evidence, ~pl.col("kind").is_in([*THREADS, *ENDS, TASK]))
        return AuditFindings(
            findings=tuple(
                cls.build(place, kind, things, asked, evidence)
                for (place, kind), things in found.items()
                for asked in [requests.get(place.route or "", 0)]
                if is_made_anew(kind, things, asked)
                # a growing pool creates no more than there are concurrent requests
                if kind not in CONNECTIONS or len(things) > most_at_once
            )
        )

    @classmethod
    def build(
        cls,
        place: BlockPlace,
        kind: str,
        things: Sequence[MadeThing],
        asked: int,
        evidence: AuditEvidence,
    ) -> Self:
        spent_ms = measure_spent_ms(things)
        spent = [(each.at_s, each.spent_s) for each in things]
        is_awaited = kind in CONNECTIONS
        share = None if is_awaited else measure_share(spent, place.route, evidence)
        is_sure = len(spent_ms) >= MANY_REQUESTS and place.file is not None
        return cls(
            severity=rate_severity(median(spent_ms), share),
            confidence="high" if is_sure else "medium",
            **place.fields,
            call=kind,
            stack=build_finder(evidence).show_stack(things[0].located.stack),
            cause="connection" if is_awaited else "client",
            count=len(spent_ms),
            seconds=sum(spent_ms) / 1000,
            median_ms=median(spent_ms),
            longest_ms=max(spent_ms),
            share=share,
            asked=asked,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        if self.call in CONNECTIONS:
            return cure_connection(self.place_fields, evidence, self.median_ms)
        maker = TLS_MAKER if self.call == TLS_CONTEXT else (self.call or "").rpartition(".")[2]
        return cure_made_thing(self.place_fields, evidence, maker, self.median_ms)

    @property
    def facts(self) -> str:
        count, took = self.count or 0, formats.milliseconds(self.median_ms)
        each = "each request" if count >= self.asked else f"{count:,} of {self.asked:,} requests"
        if self.call in CONNECTIONS:
            return (
                f"{self.call}() connects to the database in {each} to {self.route} and takes "
                f"{took} ms (median). Take connections from a pool created at startup."
            )
        subject = "A TLS context" if self.call == TLS_CONTEXT else f"{self.call}()"
        said = (
            f"{subject} is created in {each} to {self.route} and takes {took} ms of CPU (median)."
        )
        if (self.median_ms or 0.0) < CHEAP_MS:
            said = f"{said} Each one has its own connection pool."
        return f"{said} Create one at startup and share it."


def is_made_anew(kind: str, things: Sequence[MadeThing], asked: int) -> bool:
    spent_ms = measure_spent_ms(things)
    if kind == TLS_CONTEXT and median(spent_ms) < CHEAP_MS:
        return False
    return len(spent_ms) >= max(LEAST_REQUESTS, MOST_OF * asked)


def rate_severity(median_ms: float, share: float | None) -> Severity:
    is_dear = median_ms >= DEAR_MS or (median_ms >= CHEAP_MS and (share or 0.0) >= DEAR_SHARE)
    return "warning" if is_dear else "info"
