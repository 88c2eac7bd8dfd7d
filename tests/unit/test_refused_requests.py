"""Requests refused by the server, and by the app, from handmade records."""

from dataclasses import replace

import pytest

from analysis.findings import AuditEvidence, find_all
from analysis.findings.server.refused_requests import RefusedRequests
from records.audit import APP_ENDED
from records.server import ServerRecord, ServerSettings, WorkerEnd
from tests.unit.audit_samples import PID, AuditBuilder

LIMITED = ServerRecord(ServerSettings(limit_concurrency=5), refusals=3)


def build_audit(server: ServerRecord, by_app: int = 0, by_server: int = 0) -> AuditEvidence:
    """Ten successful responses, and this many with status 503 from the app or from the server."""
    audit = AuditBuilder()
    for turn in range(10):
        audit.ask("/report", turn / 2, turn / 2 + 0.01)
    for _ in range(by_app):
        audit.ask("/report", 6.0, 6.1, status=503)
    for _ in range(by_server):
        audit.ask("/report", 7.0, None)
        audit.asked[-1] |= {"ended_s": 7.01, "status": 503}
    evidence = audit.build()
    return replace(evidence, record=replace(evidence.record, server=server))


def find_refusals(evidence: AuditEvidence) -> list[RefusedRequests]:
    return [each for each in find_all(evidence).findings if isinstance(each, RefusedRequests)]


def list_notices(evidence: AuditEvidence) -> dict[str, str]:
    return {each.code: each.message for each in find_all(evidence).notices}


def test_a_refusal_is_counted_with_the_limit() -> None:
    (found,) = find_refusals(build_audit(LIMITED, by_app=2, by_server=3))
    assert (found.code, found.cause, found.severity) == ("REFUSED_REQUESTS", "limit", "error")
    assert (found.count, found.share, found.limit) == (3, 0.2, 5)
    assert (found.route, found.confidence) == ("/report", "high")
    assert found.message == (
        "uvicorn responded 503 to 3 requests (20.0 %) without calling the app: "
        "--limit-concurrency 5 refuses every request while a process has 5 connections, idle ones "
        "included, or that many unfinished requests. Raise it above the number of connections that "
        "clients keep open."
    )


def test_the_output_alone_tells_of_a_limit_that_the_command_does_not_name() -> None:
    (found,) = find_refusals(build_audit(ServerRecord(refusals=3), by_server=3))
    assert found.limit is None
    assert "its limit_concurrency refuses" in found.message


def test_an_apps_own_503_is_its_answer() -> None:
    evidence = build_audit(LIMITED, by_app=4)
    assert find_refusals(evidence) == []
    assert "ANSWERED_BEFORE_APP" not in list_notices(evidence)


def test_a_503_of_something_else_blames_no_limit() -> None:
    evidence = build_audit(ServerRecord(), by_server=3)
    assert find_refusals(evidence) == []
    assert list_notices(evidence)["ANSWERED_BEFORE_APP"].startswith("3 requests got status 503")


def test_what_layers_around_the_probe_answer_is_not_the_servers() -> None:
    silent = replace(LIMITED, refusals=0)
    evidence = build_audit(silent, by_server=3)
    (found,) = find_refusals(evidence)
    assert (found.count, found.confidence) == (3, "medium")
    inside = tuple(
        replace(each, hook="starlette.applications.Starlette.__call__")
        for each in evidence.record.processes
    )
    evidence = replace(evidence, record=replace(evidence.record, processes=inside))
    assert find_refusals(evidence) == []


def test_no_more_are_refused_than_the_server_says() -> None:
    evidence = build_audit(LIMITED, by_server=5)
    (found,) = find_refusals(evidence)
    assert found.count == 3
    assert list_notices(evidence)["ANSWERED_BEFORE_APP"].startswith("2 requests got status 503")


def test_what_a_killed_worker_saw_last_may_be_lost() -> None:
    end = WorkerEnd(PID, 7.2, "timeout")
    assert find_refusals(build_audit(replace(LIMITED, ends=(end,)), by_server=3)) == []


def test_nothing_is_judged_without_the_app_s_side() -> None:
    evidence = build_audit(LIMITED, by_server=3)
    evidence = replace(evidence, handlers=evidence.handlers.clear())
    assert find_refusals(evidence) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("ClientConnectorError", "NO_CONNECTION"),
        ("ServerDisconnectedError", "CONNECTION_LOST"),
        ("ClientConnectionResetError", "CONNECTION_LOST"),
        ("timeout", None),
    ],
)
def test_a_request_without_an_answer_is_named_as_what_it_is(error: str, code: str | None) -> None:
    evidence = build_audit(ServerRecord())
    row = evidence.asked.tail(1)
    lost = (
        row.clear()
        .vstack(row)
        .with_columns(error=row["error"].clear(1).fill_null(error), status=row["status"].clear(1))
    )
    found = list_notices(replace(evidence, asked=evidence.asked.vstack(lost)))
    assert [each for each in found if each in ("NO_CONNECTION", "CONNECTION_LOST")] == (
        [] if code is None else [code]
    )
    assert code is None or found[code].startswith("1 request ")
    last_s = float(row["ended_s"][0])
    over = replace(evidence.record, interrupted=APP_ENDED, ended_s=last_s)
    found = list_notices(replace(evidence, asked=evidence.asked.vstack(lost), record=over))
    if code == "CONNECTION_LOST":  # its server closed nothing by itself
        assert found[code].endswith("when the service ended.")
