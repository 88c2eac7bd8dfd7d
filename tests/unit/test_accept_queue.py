"""The accept queue: its record, and which code is blamed for the connections that wait in it."""

import socket
import sys
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditEvidence, find_all
from analysis.findings.server.accept_queue import AcceptQueue
from analysis.findings.spans import Span, intersect, measure, merge, subtract
from records.server import QueueStretch, ServerRecord, WorkerEnd
from stress.audit.accept_queue import QueueLook, QueueWatch, look_at_queue
from tests.unit.audit_samples import PID, AuditBuilder, endpoint, library

SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda each: (each[0], sum(each))),
    max_size=6,
)


def list_moments(spans: Iterable[Span]) -> set[int]:
    return {at for begin_s, end_s in spans for at in range(int(begin_s), int(end_s))}


@given(SPANS, SPANS)
def test_spans_are_sets_of_moments(one: list[Span], other: list[Span]) -> None:
    mine, others = merge(one), merge(other)
    assert list_moments(mine) == list_moments(one)
    assert measure(mine) == len(list_moments(one))
    assert list_moments(subtract(mine, others)) == list_moments(one) - list_moments(other)
    for each in other:
        assert list_moments(intersect(mine, each)) == list_moments(one) & list_moments([each])


def watch(*waiting: int, backlog: int = 2, overflows: Iterable[int] = ()) -> QueueWatch:
    """One sample per second."""
    found = QueueWatch(80)
    counts = list(overflows) or [0] * len(waiting)
    for at_s, (each, count) in enumerate(zip(waiting, counts, strict=True)):
        found.note(QueueLook(each, backlog, each > backlog), count, float(at_s))
    found.close()
    return found


def test_a_wait_lasts_while_the_queue_does_not_become_shorter() -> None:
    assert watch(0, 1, 1, 3, 3, 0, 0).stretches == [QueueStretch(1.0, 4.0, 3)]
    assert watch(0, 4, 4, 2, 2, 0).stretches == [
        QueueStretch(1.0, 2.0, 4),
        QueueStretch(3.0, 4.0, 2),
    ]
    assert watch(0, 1, 0, 1, 0).stretches == []


def test_only_what_is_dropped_while_the_queue_is_full_counts() -> None:
    assert watch(0, 1, 1, overflows=[5, 9, 12]).dropped == 0
    assert watch(0, 3, 3, 0, 0, overflows=[5, 7, 9, 10, 30]).dropped == 5


@pytest.mark.skipif(sys.platform != "linux", reason="sock_diag(7)")
def test_the_system_says_what_waits_and_how_much_may() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=3) as server:
        port = server.getsockname()[1]
        assert look_at_queue(port) == QueueLook(0, 3, is_full=False)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        assert look_at_queue(port) == QueueLook(4, 3, is_full=True)
        server.accept()[0].close()
        assert look_at_queue(port) == QueueLook(3, 3, is_full=False)
        for each in clients:
            each.close()
    assert look_at_queue(port) is None


def build_audit(
    *queue: QueueStretch, dropped: int = 0, free_pid: bool = False, run_delay_s: float = 0.0
) -> AuditEvidence:
    """The only loop is blocked from 2 to 5 s."""
    audit = AuditBuilder()
    stack = endpoint("report", 17, [library("socket", "readinto", 720)])
    audit.block(2.0, 3.0, [stack] * 9, run_delay_s=run_delay_s)
    audit.handle("/report", arrived_s=2.0)
    audit.handle("/report", arrived_s=9.0)
    if free_pid:
        audit.handle("/report", pid=PID + 1, arrived_s=1.0)
        audit.handle("/report", pid=PID + 1, arrived_s=9.0)
    evidence = audit.build()
    server = ServerRecord(queue=queue, dropped=dropped, backlog=2)
    return replace(evidence, record=replace(evidence.record, server=server))


def find_queues(evidence: AuditEvidence) -> list[AcceptQueue]:
    return [each for each in find_all(evidence).findings if isinstance(each, AcceptQueue)]


def test_a_wait_behind_a_block_is_named_with_its_line() -> None:
    (found,) = find_queues(build_audit(QueueStretch(2.5, 4.9, 3)))
    assert (found.code, found.cause, found.severity) == ("ACCEPT_QUEUE", "blocked", "warning")
    assert (found.file, found.line, found.count) == ("main.py", 17, 3)
    assert found.longest_ms == pytest.approx(2400)
    assert found.message == (
        "New connections waited in the accept queue, one for at least 2,400 ms, because the event "
        "loop of every process was blocked, mostly by report() (main.py:17). Remove the blocking "
        "call."
    )


def test_dropped_connections_are_an_error_and_name_the_backlog() -> None:
    (found,) = find_queues(build_audit(QueueStretch(2.5, 3.0, 3), dropped=7))
    assert (found.severity, found.cause, found.line) == ("error", "blocked", 17)
    assert "7 attempts to connect found the accept queue full (backlog 2)" in found.message
    (found,) = find_queues(build_audit(dropped=1))
    assert (found.severity, found.cause, found.file) == ("error", "backlog", None)
    assert found.message.startswith("1 attempt to connect found the accept queue full (backlog 2)")


def test_a_block_is_not_blamed_for_what_was_dropped_while_the_queue_was_not_full() -> None:
    """The moments of the drops are unknown; one connection waited behind the block."""
    (found,) = find_queues(build_audit(QueueStretch(2.5, 3.0, 1), dropped=17))
    assert (found.cause, found.file, found.confidence, found.dropped) == (
        "backlog", None, "medium", 17,
    )  # fmt: skip
    assert "Remove the blocking call" not in found.message
    found, other = sorted(
        find_queues(build_audit(QueueStretch(2.5, 4.9, 1), dropped=17)), key=lambda it: it.dropped
    )
    assert (found.cause, found.line, found.dropped) == ("blocked", 17, 0)
    assert (other.cause, other.line, other.dropped) == ("backlog", None, 17)


@pytest.mark.parametrize(
    "evidence",
    [
        build_audit(QueueStretch(2.5, 3.0, 3)),
        build_audit(QueueStretch(2.5, 4.9, 3), free_pid=True),
        build_audit(QueueStretch(4.9, 7.0, 3)),
        build_audit(QueueStretch(2.5, 4.9, 3), run_delay_s=2.9),
        build_audit(),
    ],
    ids=["short", "another process was free", "before", "no processor", "no wait"],
)
def test_nobody_is_blamed_without_a_long_wait_that_blocks_explain(evidence: AuditEvidence) -> None:
    assert find_queues(evidence) == []


def test_the_queue_may_be_emptied_between_two_blocks() -> None:
    audit = AuditBuilder()
    stack = endpoint("report", 17, [library("socket", "readinto", 720)])
    audit.block(2.0, 1.6, [stack] * 9)
    audit.block(3.601, 1.6, [stack] * 9)
    audit.handle("/report", arrived_s=9.0)
    evidence = audit.build()
    server = ServerRecord(queue=(QueueStretch(2.1, 5.1, 3),))
    (found,) = find_queues(replace(evidence, record=replace(evidence.record, server=server)))
    assert found.longest_ms == pytest.approx(1500)  # from 2.1 to 3.6, or from 3.601 to 5.1 s
    assert found.seconds == pytest.approx(2.999)


@pytest.mark.parametrize(
    ("ends", "why"),
    [
        ((), "no block whose code is known explains it"),
        ((WorkerEnd(PID, 5.4, "timeout"),), "a worker had ended"),
        ((WorkerEnd(PID, 1.0, "timeout"),), "no block whose code is known explains it"),
    ],
)
def test_a_wait_that_no_block_explains_is_a_notice(ends: tuple[WorkerEnd, ...], why: str) -> None:
    evidence = build_audit(QueueStretch(5.5, 7.0, 3))
    server = replace(evidence.record.server, ends=ends)
    evidence = replace(evidence, record=replace(evidence.record, server=server))
    (notice,) = (each for each in find_all(evidence).notices if each.code == "ACCEPT_QUEUE_WAIT")
    start = "For 1.5 s, new connections waited in the accept queue: "
    assert notice.message.startswith(start + why)
