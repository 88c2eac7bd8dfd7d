"""The finding LOOP_BLOCKED, from records made by hand."""

import gc
import json
import weakref
from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.findings import AuditEvidence, export_findings, find_all
from analysis.findings.base import Victim
from analysis.findings.blocks.attribution import attribute_blocks
from analysis.findings.blocks.loop_blocked import LoopBlocked
from analysis.findings.cures.blocked_code import BlockedCode
from analysis.findings.evidence import compute_once
from analysis.findings.places import build_finder
from analysis.findings.process_lives import count_most_alive
from analysis.findings.spans import Span
from analysis.findings.time_asked import measure_share
from records.rows import THREAD_STACKS
from tests.unit.audit_samples import (
    PID,
    RUN,
    AuditBuilder,
    endpoint,
    find_kind,
    library,
    make_table,
    own,
)

KEYS = {
    "code", "severity", "confidence", "route", "phase", "file", "line", "function", "call", "stack",
    "cause", "count", "seconds", "median_ms", "longest_ms", "share", "victims", "holders", "cure",
    "predicted", "tried",
}  # fmt: skip


def build_waiting_audit() -> AuditBuilder:
    """Ten requests of /report wait 0.2 s each in a socket; /ping waits for five of them."""
    audit = AuditBuilder()
    stack = endpoint("report", 17, [library("socket", "readinto", 720)])
    for turn in range(10):
        audit.block(float(turn), 0.2, [stack] * 4)
        audit.ask("/report", float(turn), turn + 0.21)
        is_late = turn % 2 == 0
        audit.ask("/ping", turn + (0.1 if is_late else 0.5), turn + (0.21 if is_late else 0.51))
    return audit


def test_a_waiting_endpoint_is_found_with_its_place_cause_and_seconds() -> None:
    (found,) = find_all(build_waiting_audit().build()).findings
    assert (found.code, found.route, found.phase) == ("LOOP_BLOCKED", "/report", "endpoint")
    assert (found.file, found.line, found.function) == ("main.py", 17, "report")
    assert (found.call, found.cause, found.count) == ("socket.readinto", "wait", 10)
    assert round(found.seconds or 0, 6) == 2.0
    assert round(found.median_ms or 0, 3) == round(found.longest_ms or 0, 3) == 200.0
    assert round(found.share or 0, 6) == 0.2
    assert (found.severity, found.confidence) == ("error", "high")


@pytest.mark.parametrize(
    ("lives", "share", "alive"),
    [
        ([(0.0, 2.4), (2.5, 4.9), (5.0, 7.4), (7.5, 9.9)], 0.9, 1),
        ([(0.0, 10.0), (0.0, 10.0)], 0.45, 2),
        ([(0.0, 10.0), (0.0, 5.0), (5.2, 10.0), (20.0, 30.0)], 9 / 19.8, 2),
        ([], 0.9, 1),
    ],
    ids=["recycled", "parallel", "one recycled, one later", "unknown"],
)
def test_a_recycled_worker_is_no_parallel_process(
    lives: Sequence[Span], share: float, alive: int
) -> None:
    audit = AuditBuilder()
    for number, life in enumerate(lives):
        for at_s in life:
            audit.handle("/report", pid=PID + number, arrived_s=at_s)
    evidence = audit.build()
    assert measure_share([(0.5, 9.0)], "/report", evidence) == pytest.approx(share)
    assert count_most_alive(evidence) == alive


def test_what_a_task_blocks_after_its_request_is_no_time_of_that_request() -> None:
    """A worker that the first request starts blocks for good: ten blocks are not one of 0.6 s."""
    audit = AuditBuilder()
    stack = [own("worker", 12), *RUN]
    audit.block(0.1, 0.1, [stack] * 4, visit=1)
    for turn in range(1, 11):
        audit.block(float(turn), 0.06, [stack] * 3, visit=1)
    audit.handle("/report", visit=1, arrived_s=0.05, returned_s=0.3)
    evidence = audit.build()
    (found,) = find_kind(LoopBlocked, evidence)
    assert (found.count, found.route) == (1, "/report")
    assert round(found.seconds or 0, 6) == 0.7
    assert round(found.longest_ms or 0, 3) == 100.0
    assert round(found.median_ms or 0, 3) == 60.0
    (site,) = attribute_blocks(evidence).sites.items()
    code = BlockedCode.from_shares(*site, build_finder(evidence))
    assert round(code.block_ms, 3) == 60.0


def test_what_the_loop_waits_for_is_named_where_its_thread_was_seen_to() -> None:
    audit = AuditBuilder()
    stack = endpoint("report", 17, [library("threading", "wait"), library("shop_pool", "take")])
    audit.block(0.0, 2.0, [stack] * 4)
    row = {"pid": PID, "at_s": 1.0, "thread_id": 3, "waits_for": "QueuePool of 5"}
    others = [own("report", 17), library("threading", "_bootstrap")]  # of a thread
    for seen, expected in ((stack, "QueuePool of 5"), (others, None)):
        stands = make_table([row | {"stack": json.dumps(seen)}], THREAD_STACKS)
        (found,) = find_kind(LoopBlocked, replace(audit.build(), thread_stacks=stands))
        assert found.waits_for == expected
        assert ("waits for a QueuePool of 5: " in found.facts) == bool(expected)
        assert ("only a thread can" in found.message) == bool(expected)


def test_collections_in_libraries_are_one_finding_without_a_place() -> None:
    audit = AuditBuilder()
    for turn in range(6):
        stack = endpoint("report", 17, [library(f"library_{turn}", "make")])
        audit.block(float(turn), 0.2, [stack[:1] + stack[2:]] * 4, gc_s=0.2)
        audit.ask("/report", float(turn), turn + 0.3)
    (found,) = find_kind(LoopBlocked, audit.build())
    assert (found.cause, found.count, found.route, found.file) == ("gc", 6, None, None)
    assert found.facts.startswith(
        "The event loop is blocked while the garbage collector runs in library code: up to 200 ms"
    )
    for _ in range(600):  # one request in a hundred is rare
        audit.ask("/report", 9.0, 9.1)
    assert find_kind(LoopBlocked, audit.build()) == ()


def test_delays_that_no_finding_includes_are_not_called_a_part_of_them() -> None:
    """A processor that was missing for most of a block is excused, not accused."""
    audit = AuditBuilder()
    for turn in range(20):
        audit.block(
            float(turn) / 2, 0.3, [endpoint("report", 17)] * 6, cpu_s=0.12, run_delay_s=0.18
        )
    notices = {each.code: each.seconds for each in find_all(audit.build()).notices}
    assert notices["NO_CPU"] == pytest.approx(20 * 0.18)
    assert "DELAYED" not in notices


def test_only_delays_of_accused_code_are_a_part_of_the_findings() -> None:
    """One sample accuses nothing, however long its block was delayed."""
    audit = AuditBuilder()
    for turn in range(3):
        audit.block(float(turn), 0.3, [endpoint("report", 17)] * 6)
    audit.block(5.0, 0.9, [endpoint("page", 27)], run_delay_s=0.4)
    notices = {each.code: each.seconds for each in find_all(audit.build()).notices}
    assert "DELAYED" not in notices
    audit.block(7.0, 0.3, [endpoint("report", 17)] * 6, run_delay_s=0.12)
    notices = {each.code: each.seconds for each in find_all(audit.build()).notices}
    assert notices["DELAYED"] == pytest.approx(0.12)


def test_a_request_that_timed_out_lost_time_until_its_user_sent_the_next_one() -> None:
    audit = AuditBuilder()
    audit.ask("/ping", 0.0, 0.001, user=2)
    audit.ask("/ping", 1.0, None, user=2, error="timeout")
    audit.ask("/ping", 3.1, 3.101, user=2)
    for turn in range(50):
        audit.block(1.0 + 0.15 * turn, 0.15, [endpoint("report", 17)] * 3)
    (found,) = find_all(audit.build()).findings
    assert found.victims is not None
    assert sum(each.seconds for each in found.victims) == pytest.approx(2.1, abs=0.01)


def test_a_victim_lost_what_it_was_late_at_most() -> None:
    (found,) = find_all(build_waiting_audit().build()).findings
    assert found.victims is not None
    (victim,) = found.victims
    assert (victim.route, victim.requests) == ("/ping", 5)
    assert round(victim.seconds, 6) == 5 * 0.1  # in flight for 0.1 s of the block, late by 0.1 s


@pytest.mark.parametrize(("lost_s", "is_said"), [(0.04, False), (0.06, True)])
def test_a_loss_that_would_read_as_nothing_is_not_mentioned(lost_s: float, is_said: bool) -> None:
    (found,) = find_kind(LoopBlocked, build_waiting_audit().build())
    facts = replace(found, victims=(Victim("/ping", 1, lost_s),)).facts
    assert ("1 request to other routes lost 0.1 s in total." in facts) == is_said
    assert ("lost" in facts) == is_said


def test_findings_json_has_every_key_and_no_path_of_the_machine() -> None:
    content = export_findings(find_all(build_waiting_audit().build()))
    text = json.dumps(content, allow_nan=False)
    assert content["schema"] == 1
    assert isinstance(content["findings"], list)
    assert set(content["findings"][0]) >= KEYS
    assert "/srv" not in text


def test_what_findings_share_is_computed_once_for_each_evidence_and_goes_with_it() -> None:
    asked: list[float] = []

    @compute_once
    def read_end(evidence: AuditEvidence) -> float:
        asked.append(evidence.record.ended_s)
        return evidence.record.ended_s

    evidence = AuditBuilder().build()
    assert read_end(evidence) == read_end(evidence) == evidence.record.ended_s
    assert len(asked) == 1
    read_end(AuditBuilder().build())
    assert len(asked) == 2
    kept = weakref.ref(evidence)
    find_all(evidence)
    del evidence
    gc.collect()
    assert kept() is None
