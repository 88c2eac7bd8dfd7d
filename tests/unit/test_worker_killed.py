"""Workers ended by the server, from handmade records."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditEvidence, find_all
from analysis.findings.server.worker_killed import WorkerKilled
from records.rows import PROBE
from records.server import EndReason, ServerRecord, ServerSettings, WorkerEnd
from tests.unit.audit_samples import PID, AuditBuilder, endpoint, library, make_table

SETTINGS = ServerSettings(timeout_s=2.0, heartbeat_every_s=1.0)


def build_audit(blocked_s: float, *ends: WorkerEnd, route: str = "/report") -> AuditEvidence:
    """The loop is blocked until 8 s; three requests wait for it, and lose their connection."""
    audit = AuditBuilder()
    stack = endpoint("report", 17, [library("socket", "readinto", 720)])
    if blocked_s:
        audit.block(8.0 - blocked_s, blocked_s, [stack] * 9, route=route)
    for _ in range(3):
        audit.ask("/report", 7.0, None)
        audit.asked[-1] |= {"ended_s": 8.02, "error": "ServerDisconnectedError"}
    audit.ask("/ping", 7.9, 8.0)
    evidence = audit.build()
    server = ServerRecord(SETTINGS, ends)
    return replace(evidence, record=replace(evidence.record, server=server))


def find_kills(evidence: AuditEvidence) -> list[WorkerKilled]:
    return [each for each in find_all(evidence).findings if isinstance(each, WorkerKilled)]


def list_notices(evidence: AuditEvidence) -> list[str]:
    return [each.code for each in find_all(evidence).notices]


def end(reason: EndReason, detail: str = "") -> WorkerEnd:
    return WorkerEnd(PID, 8.0, reason, detail, gone_s=8.1)


def test_a_kill_names_the_block_before_it_and_the_requests_that_it_cost() -> None:
    (found,) = find_kills(build_audit(1.6, end("timeout")))
    assert (found.code, found.cause, found.severity) == ("WORKER_KILLED", "timeout", "error")
    assert (found.route, found.file, found.line) == ("/report", "main.py", 17)
    assert (found.call, found.count, found.kills) == ("socket.readinto", 3, 1)
    assert found.longest_ms == pytest.approx(1600)
    assert found.seconds == pytest.approx(3 * 1.02)
    assert found.message == (
        "gunicorn killed a worker once after --timeout 2 s without a heartbeat. Its event loop was "
        "blocked for 1.6 s of the last 2 s, mostly by report() (main.py:17), whose longest block "
        "lasted 1.6 s. Without a block, a heartbeat comes every 1 s: a block of 1 s can be "
        "enough, and shorter blocks add up. Remove the blocking call: a longer --timeout only "
        "stops the kills. 3 requests got no response."
    )


@pytest.mark.parametrize("blocked_s", [0.0, 0.3])
def test_a_kill_without_a_block_that_explains_it_blames_no_line(blocked_s: float) -> None:
    (found,) = find_kills(build_audit(blocked_s, end("timeout")))
    assert (found.cause, found.file, found.route) == ("unexplained", None, None)
    assert "No block whose code is known explains it." in found.message


def test_a_block_of_another_process_explains_no_kill() -> None:
    other = WorkerEnd(PID + 1, 8.0, "timeout", gone_s=8.1)
    (found,) = find_kills(build_audit(1.6, other))
    assert (found.cause, found.file) == ("unexplained", None)


@given(st.floats(0.0, 6.0))
def test_only_a_block_in_the_timeout_before_the_kill_counts(gap_s: float) -> None:
    late = WorkerEnd(PID, 8.0 + gap_s, "timeout")
    (found,) = find_kills(build_audit(1.6, late))
    inside_s = min(1.6, max(0.0, 2.0 - gap_s))
    assert (found.file == "main.py") == (inside_s >= 0.8)


def test_a_block_that_the_kill_cut_lasts_until_it() -> None:
    evidence = build_audit(1.6, WorkerEnd(PID, 8.3, "timeout"))
    open_ones = tuple(replace(each, is_open=True) for each in evidence.stretches)
    (found,) = find_kills(replace(evidence, stretches=open_ones))
    assert found.longest_ms == pytest.approx(1900)


@pytest.mark.parametrize(
    ("reason", "detail", "said"),
    [
        ("killed", "", "SIGKILL ended a worker once, not because of its heartbeat"),
        ("signal", "SIGSEGV", "A worker crashed once (SIGSEGV)"),
        ("exit", "3", "A worker exited by itself once (exit code 3)"),
    ],
)
def test_a_worker_that_ends_otherwise_is_no_fault_of_a_block(
    reason: EndReason, detail: str, said: str
) -> None:
    (found,) = find_kills(build_audit(1.6, end(reason, detail)))
    assert found.message.startswith(said)
    assert (found.file, found.cause, found.count) == (None, reason, 3)


@pytest.mark.parametrize("reason", ["recycled", "stopped", "unknown"])
def test_a_worker_that_nobody_killed_is_a_notice(reason: EndReason) -> None:
    evidence = build_audit(1.6, end(reason))
    assert find_kills(evidence) == []
    assert f"WORKER_{reason.upper()}" in list_notices(evidence)


def test_nothing_is_said_where_no_worker_ended() -> None:
    evidence = build_audit(1.6)
    assert find_kills(evidence) == []
    assert not [each for each in list_notices(evidence) if each.startswith("WORKER")]


def test_short_blocks_add_up_and_the_place_of_most_is_named() -> None:
    audit = AuditBuilder()
    for turn, line in enumerate([17, 40, 17, 17]):
        stack = endpoint("report", line, [library("socket", "readinto", 720)])
        audit.block(6.2 + 0.45 * turn, 0.4, [stack] * 9)
    server = ServerRecord(SETTINGS, (end("timeout"),))
    evidence = audit.build()
    (found,) = find_kills(replace(evidence, record=replace(evidence.record, server=server)))
    assert (found.cause, found.line) == ("timeout", 17)
    assert found.longest_ms == pytest.approx(400)
    assert found.blocked_s == pytest.approx(1.6)


def test_a_timeout_as_short_as_the_heartbeat_needs_no_block() -> None:
    evidence = build_audit(0.0, end("timeout"))
    settings = ServerSettings(timeout_s=1.0, heartbeat_every_s=1.0)
    server = replace(evidence.record.server, settings=settings)
    (found,) = find_kills(replace(evidence, record=replace(evidence.record, server=server)))
    assert "can kill a worker that is not blocked. Raise it." in found.message
    assert "Remove" not in found.message


def test_an_unknown_timeout_is_explained_by_the_block_that_the_kill_cut_alone() -> None:
    server = ServerRecord(ServerSettings(), (end("timeout"),))
    for blocked_until_s, cause in ((8.0, "timeout"), (6.0, "unexplained")):
        audit = AuditBuilder()
        audit.block(blocked_until_s - 1.5, 1.5, [endpoint("report", 17)] * 9)
        evidence = audit.build()
        (found,) = find_kills(replace(evidence, record=replace(evidence.record, server=server)))
        assert found.cause == cause
        assert "after its --timeout without" in found.message


def test_what_a_kill_cost_is_unknown_where_the_clients_are_the_users_own() -> None:
    evidence = build_audit(1.6, end("timeout"))
    (found,) = find_kills(replace(evidence, asked=evidence.asked.clear()))
    assert (found.count, found.line) == (None, 17)
    assert "No request was lost" not in found.message


def test_a_worker_killed_from_outside_had_so_much_memory() -> None:
    evidence = build_audit(0.0, end("killed"))
    rows = [
        {"pid": pid, "at_s": at_s, "rss_bytes": rss}
        for pid, at_s, rss in ((PID, 1.0, 9e8), (PID, 7.0, 5e8), (PID + 1, 7.0, 8e8))
    ]
    (found,) = find_kills(replace(evidence, samples=make_table(rows, PROBE)))
    assert "The worker used 500 MB when last sampled." in found.message
