"""The thread that held the GIL, by the CPU of calls in threads: the law, and the right lines."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditEvidence, AuditFinding
from analysis.findings.blocks.gil_holders import GilPart, find_lone
from analysis.findings.judge import find_all
from records.rows import HANDOVERS
from tests.unit.audit_samples import FOLDER, PID, AuditBuilder, library, make_table, own

SEARCH, SORT = f"{FOLDER}/main.py:20 search", f"{FOLDER}/main.py:30 sort"
HASH = f"{FOLDER}/main.py:40 hash"
Call = tuple[str, str, int, float, float, float]
"""Route, work, thread, began and ended, CPU; seconds."""


def judge(audit: AuditBuilder, *calls: Call) -> AuditEvidence:
    rows = [
        {
            "pid": PID, "handover": at, "visit": 100 + at, "route": route, "queue": "anyio",
            "capacity": 40.0, "asked_s": began_s, "granted_s": began_s, "began_s": began_s,
            "ended_s": ended_s, "thread_id": thread, "cpu_s": cpu_s, "work": work, "failed": False,
        }
        for at, (route, work, thread, began_s, ended_s, cpu_s) in enumerate(calls)
    ]  # fmt: skip
    return replace(audit.build(), handovers=make_table(rows, HANDOVERS))


def block(audit: AuditBuilder, length_s: float, **columns: object) -> None:
    clocks = {"unseen_s": length_s, "holder_cpu_s": length_s, "visit": 0}
    audit.block(1.0, length_s, [], None, **{**clocks, **columns})


def list_blocks(evidence: AuditEvidence) -> dict[tuple[str | None, int | None], AuditFinding]:
    found = find_all(evidence).findings
    return {(each.route, each.line): each for each in found if each.code == "LOOP_BLOCKED"}


def test_calls_share_a_stretch_by_their_cpu_and_the_line_is_seen_elsewhere() -> None:
    audit = AuditBuilder()
    block(audit, 0.4, holder_thread=11, holder_route="/search", holder_stack=[own("search", 25)])
    audit.block(
        2.0, 0.6, [], None, unseen_s=0.6, holder_cpu_s=0.2, holder_thread=12, visit=0
    )  # fmt: skip
    evidence = judge(
        audit,
        ("/search", SEARCH, 11, 1.0, 1.4, 0.4),
        ("/search", SEARCH, 12, 2.0, 2.6, 0.2),
        ("/sort", SORT, 13, 2.0, 2.6, 0.4),
    )
    found = list_blocks(evidence)
    assert {key: round(each.seconds or 0.0, 3) for key, each in found.items()} == {
        ("/search", 25): 0.6,
        ("/sort", 30): 0.4,
    }


def test_a_thread_that_computed_after_the_stretch_is_not_accused() -> None:
    """The watchdog could only sample late, after another call had begun."""
    audit = AuditBuilder()
    block(audit, 0.4, holder_thread=12, holder_route="/sort", holder_stack=[own("sort", 35)])
    evidence = judge(
        audit,
        ("/search", SEARCH, 11, 1.0, 1.4, 0.4),
        ("/sort", SORT, 12, 1.4, 1.9, 0.4),
    )
    assert [route for route, _ in list_blocks(evidence)] == ["/search"]


def test_a_line_that_the_thread_ran_before_is_not_accused() -> None:
    """The watchdog saw the thread before the call began, but not during the block."""
    audit = AuditBuilder()
    block(audit, 0.4, holder_thread=11, holder_route="/search", holder_stack=[own("sort", 35)])
    found = list_blocks(judge(audit, ("/search", SEARCH, 11, 1.0, 1.4, 0.4)))
    assert list(found) == [("/search", 20)]


def sum_seconds(evidence: AuditEvidence) -> dict[tuple[str | None, int | None], float]:
    return {key: round(each.seconds or 0.0, 3) for key, each in list_blocks(evidence).items()}


def test_a_thread_that_released_the_gil_is_not_accused() -> None:
    """0.8 s of CPU in 0.5 s: the clocks do not say which thread held the GIL."""
    audit = AuditBuilder()
    block(audit, 0.5, holder_thread=11)
    calls = ("/sort", SORT, 11, 1.0, 1.5, 0.5), ("/hash", HASH, 12, 1.1, 1.4, 0.3)
    found = find_all(judge(audit, *calls))
    assert found.findings == ()
    assert found.unexplained_s == pytest.approx(0.5)
    notices = {each.code: each.seconds for each in found.notices if each.seconds}
    assert notices == {"GIL_SHARED": pytest.approx(0.5)}
    audit.block(3.0, 0.4, [], None, unseen_s=0.4, holder_cpu_s=0.4, holder_thread=11, visit=0)
    evidence = judge(audit, *calls, ("/sort", SORT, 11, 3.0, 3.4, 0.4))
    assert sum_seconds(evidence) == {("/sort", 30): 0.9}


def test_many_short_parts_of_one_code_are_not_nobody() -> None:
    """Twenty calls pass the GIL on, 4 ms each; one more thread computes without it all the time."""
    audit, calls = AuditBuilder(), []
    for began_s in (2.0, 6.0, 10.0):
        clocks = {"unseen_s": 0.08, "holder_cpu_s": 0.08, "holder_thread": 9, "visit": 0}
        audit.block(began_s, 0.08, [], None, **clocks)
        calls.append(("/hash", HASH, 9, began_s, began_s + 0.08, 0.08))
        calls += [("/search", SEARCH, 10 + at, began_s - 1, began_s + 1, 0.1) for at in range(20)]
    assert list_blocks(judge(audit, *calls)) == {}


def test_many_short_parts_that_explain_little_are_nobody() -> None:
    """46 ms of 400 ms, by even shares of what twenty calls used while they waited."""
    audit = AuditBuilder()
    block(audit, 0.4, holder_thread=9)
    calls = [("/search", SEARCH, 10 + at, 0.5, 1.9, 0.008) for at in range(20)]
    evidence = judge(audit, ("/hash", HASH, 9, 1.0, 1.4, 0.4), *calls)
    assert sum_seconds(evidence)["/hash", 40] == pytest.approx(0.4, abs=0.05)


def test_code_that_computed_little_of_a_stretch_was_not_alone_in_it() -> None:
    """6 ms of 80, and twenty calls of another code have 39 ms."""
    audit = AuditBuilder()
    block(audit, 0.08, holder_thread=9, unseen_s=0.06)
    (stretch,) = audit.build().stretches
    short = [GilPart(SEARCH, (), "/search", None, at, 0.00195, 0.0) for at in range(20)]
    one = GilPart(HASH, (), "/hash", None, 99, 0.006, 0.006)
    assert find_lone([one, *short], stretch) == set()
    assert find_lone([replace(one, cpu_s=0.06), *short], stretch) == {HASH}


def test_of_several_threads_one_answers_for_its_sure_part_only() -> None:
    """Of a call of 0.7 s with 0.5 s of CPU, 0.5 s are within the block, 0.3 s of CPU surely."""
    audit = AuditBuilder()
    block(audit, 0.5, holder_thread=12)
    audit.block(3.0, 0.4, [], None, unseen_s=0.4, holder_cpu_s=0.4, holder_thread=11, visit=0)
    evidence = judge(
        audit,
        ("/sort", SORT, 11, 0.8, 1.5, 0.5),
        ("/hash", HASH, 12, 1.0, 1.5, 0.5),
        ("/sort", SORT, 11, 3.0, 3.4, 0.4),
    )
    assert sum_seconds(evidence) == {("/sort", 30): 0.7}


def test_a_long_call_that_computed_before_has_no_part_of_a_later_block() -> None:
    audit = AuditBuilder()
    for began_s, thread in ((1.0, 11), (4.0, 12), (8.0, 12)):
        clocks = {"unseen_s": 0.5, "holder_cpu_s": 0.5, "holder_thread": thread, "visit": 0}
        audit.block(began_s, 0.5, [], None, **clocks)
    evidence = judge(
        audit,
        ("/sort", SORT, 11, 0.5, 6.5, 3.0),
        ("/search", SEARCH, 12, 4.0, 4.5, 0.5),
        ("/search", SEARCH, 12, 8.0, 8.5, 0.5),
    )
    assert sum_seconds(evidence) == {("/search", 20): 1.0, ("/sort", 30): 0.5}


def test_a_thread_without_a_stack_counts_once() -> None:
    audit = AuditBuilder()
    for turn in range(4):
        stack = [library("re", "match")] if turn else []
        audit.block(
            2.0 * turn, 0.5, [], None, unseen_s=0.5, holder_cpu_s=0.5, visit=0, holder_thread=9,
            holder_visit=9 + turn, holder_route="/search", holder_stack=stack,
        )  # fmt: skip
    found = find_all(audit.build())
    assert [each.seconds for each in found.findings] == [pytest.approx(4 * 0.5)]
    assert found.unexplained_s == pytest.approx(0.0)


@given(
    cpu=st.lists(st.floats(0.01, 0.5), min_size=1, max_size=6),
    length_s=st.floats(0.1, 2.0),
)
def test_calls_never_answer_for_more_than_the_stretch(cpu: list[float], length_s: float) -> None:
    audit = AuditBuilder()
    block(audit, length_s, holder_thread=1, holder_cpu_s=cpu[0])
    calls = [
        (f"/{at}", f"{FOLDER}/main.py:{10 * at} work", at, 1.0, 1.0 + length_s, each)
        for at, each in enumerate(cpu, start=1)
    ]
    found = find_all(judge(audit, *calls))
    seconds = sum(each.seconds or 0.0 for each in found.findings if each.code == "LOOP_BLOCKED")
    assert seconds <= length_s * 1.000001  # float rounding
    assert seconds + found.unexplained_s == pytest.approx(length_s)
