"""Requests that the server refused without calling the app."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

import polars as pl

from analysis.findings.base import AuditFinding, AuditFindings, Notice, Severity
from analysis.findings.cures.server_cures import (
    count_connections,
    propose_option,
    round_up,
)
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.server.lost_requests import (
    CLOSED,
    SEEN_S,
    UNMADE,
    list_lost,
    list_lost_by_ends,
)
from analysis.stats import formats
from records.audit import APP_ENDED

REFUSAL = 503
GRAVE_SHARE = 0.01
INSIDE = ("starlette", "by hand")
"""Hooks that place the probe inside other layers of the app."""
UNMADE_TEXT = (
    "{} could not connect: no process was listening, or the system refused the connection. Check "
    "whether the server ended or restarted."
)
CLOSED_TEXT = (
    "{} lost the connection before the response, although no worker ended: the server closed it. "
    "Perhaps its keep-alive is short (gunicorn's --keep-alive defaults to 2 s), its limit of open "
    "files is low (ulimit -n), or the app broke the connection."
)
ENDED_TEXT = "{} lost the connection when the service ended."
FOREIGN_TEXT = (
    "{} got status 503 although the app was not called, and the server reports no refusal: "
    "something in front of the app sent the response."
)


@dataclass(frozen=True, kw_only=True)
class RefusedRequests(AuditFinding):
    """count: requests to which uvicorn responded 503 because of its limit; share: of all requests.
    limit: None if only the server's output shows that there is one."""

    short: ClassVar[str] = "requests refused"
    clause: ClassVar[str] = "the server refuses requests"
    meaning: ClassVar[str] = (
        "the server responds 503 because of its limit, without calling your app"
    )
    remedy: ClassVar[str] = "raise `--limit-concurrency` above the number of open connections"
    limit: int | None

    @classmethod
    def find(cls, evidence: AuditEvidence) -> AuditFindings:
        rows = list_refused(evidence)
        refused = rows.head(count_proven(rows.height, evidence))
        findings = (cls.build(refused, evidence),) if refused.height else ()
        notices = write_notices(rows.height - refused.height, evidence)
        return AuditFindings(findings, tuple(notices))

    @classmethod
    def build(cls, refused: pl.DataFrame, evidence: AuditEvidence) -> Self:
        share = refused.height / evidence.asked.height
        routes = refused["route"].drop_nulls().unique()
        severity: Severity = "error" if share >= GRAVE_SHARE else "warning"
        took_s = (refused["ended_s"] - refused["started_s"]).drop_nulls()
        return cls(
            severity=severity,
            confidence="high" if evidence.record.server.refusals else "medium",
            route=routes[0] if len(routes) == 1 else None,
            call="the server's limit",
            cause="limit",
            count=refused.height,
            seconds=float(took_s.sum()),
            share=share,
            limit=evidence.record.server.settings.limit_concurrency,
        )

    def propose_cure(self, evidence: AuditEvidence) -> Cure | str:
        connections = count_connections(evidence)
        reason = f"Clients kept up to {connections:,} connections open: the limit must be larger."
        return propose_option(evidence, "--limit-concurrency", round_up(2 * connections), reason)

    @property
    def facts(self) -> str:
        requests, share = (
            formats.count_things(self.count or 0, "request"),
            formats.percent(self.share),
        )
        many, option = "that many", "its limit_concurrency"
        if self.limit is not None:
            many, option = f"{self.limit}", f"--limit-concurrency {self.limit}"
        return (
            f"uvicorn responded 503 to {requests} ({share}) without calling the app: {option} "
            f"refuses every request while a process has {many} connections, idle ones included, or "
            "that many unfinished requests. Raise it above the number of connections that clients "
            "keep open."
        )


def count_proven(rows: int, evidence: AuditEvidence) -> int:
    """Count proven refusals: those in the server's output. Without output, a server with a limit
    refused all of them, if the probe is the outermost layer."""
    server = evidence.record.server
    if server.refusals:
        return min(rows, server.refusals)
    is_outermost = all(not each.hook.startswith(INSIDE) for each in evidence.record.processes)
    return rows if server.settings.limit_concurrency is not None and is_outermost else 0


def list_refused(evidence: AuditEvidence) -> pl.DataFrame:
    """List client rows with status 503 that the app did not see. Ignore the moments around a
    worker's end, whose last records may be lost."""
    known = evidence.handlers.select("request_id").drop_nulls().unique()
    if not known.height:
        return evidence.asked.clear()
    rows = evidence.asked.filter(pl.col("status") == REFUSAL)
    for end in evidence.record.server.ends:
        is_near = pl.col("ended_s").is_between(end.at_s - 2 * SEEN_S, end.at_s + SEEN_S)
        rows = rows.filter(~is_near)
    return rows.join(known, on="request_id", how="anti")


def write_notices(foreign: int, evidence: AuditEvidence) -> Iterator[Notice]:
    lost = list_lost(evidence.asked)
    by_ends = list_lost_by_ends(evidence.asked, evidence.record.server.ends)
    closed = lost.filter(pl.col("error").is_in(CLOSED))
    without_ends = closed.join(by_ends, on="request_id", how="anti")
    is_over = evidence.record.interrupted == APP_ENDED
    last_s = evidence.record.ended_s - 2 * SEEN_S
    at_end = without_ends.filter(pl.col("ended_s") >= last_s).height if is_over else 0
    counts = {
        "ANSWERED_BEFORE_APP": (foreign, FOREIGN_TEXT),
        "NO_CONNECTION": (lost.filter(pl.col("error").is_in(UNMADE)).height, UNMADE_TEXT),
        "CONNECTION_LOST": (without_ends.height - at_end, CLOSED_TEXT),
    }
    if at_end:
        yield Notice("CONNECTION_LOST", ENDED_TEXT.format(formats.count_things(at_end, "request")))
    for code, (count, text) in counts.items():
        if count:
            yield Notice(code, text.format(formats.count_things(count, "request")))
