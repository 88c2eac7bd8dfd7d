"""The demands of a request, from the probe's records."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.theory.audit.demands import (
    Event,
    join_concurrent,
    list_parts,
    measure_demands,
    split_at,
)
from analysis.theory.audit.parts import (
    AnswerSent,
    AwaitedTime,
    ConcurrentCalls,
    LoopBlock,
    ThreadCall,
)
from records.audit import Phase
from records.rows import PROBE
from tests.unit.audit_samples import PID, AuditBuilder, make_table

COMPUTING_S = 0.02
CALLS = tuple(ThreadCall("executor", 0.1, (7, number)) for number in range(3))
ANSWER = AnswerSent()


def test_the_gaps_between_events_are_awaited_but_for_the_cpu() -> None:
    events = [Event(1.2, 1.3, CALLS[0]), Event(1.5, 1.5, ANSWER)]
    first, call, second, answer = list_parts(events, 1.0, 0.04)
    assert (call, answer) == (CALLS[0], ANSWER)
    assert isinstance(first, AwaitedTime)
    assert isinstance(second, AwaitedTime)
    assert (first.seconds, second.seconds) == pytest.approx((0.18, 0.18))


def test_the_way_to_a_thread_is_no_awaited_time() -> None:
    events = [Event(1.0005, 1.1, CALLS[0]), Event(1.1004, 1.1004, ANSWER)]
    assert tuple(list_parts(events, 1.0, 0.0)) == (CALLS[0], ANSWER)


def test_a_request_that_only_computes_awaits_nothing() -> None:
    assert tuple(list_parts([Event(1.01, 1.01, ANSWER)], 1.0, 0.02)) == (ANSWER,)


def test_calls_that_overlap_run_together() -> None:
    spans = (1.0, 1.2), (1.1, 1.3), (1.3, 1.4)
    events = [Event(*span, call) for span, call in zip(spans, CALLS, strict=True)]
    together, alone = join_concurrent(events)
    assert (together.began_s, together.ended_s) == (1.0, 1.3)
    assert together.part == ConcurrentCalls(CALLS[:2])
    assert alone.part == CALLS[2]


def test_a_call_that_is_asked_for_at_the_end_of_a_block_comes_after_it() -> None:
    block = Event(1.0, 1.1, LoopBlock(0.1, (7, 1)))
    call = Event(1.0999, 1.3, CALLS[0])
    assert join_concurrent([block, call]) == [block, call]


def test_a_block_in_whose_middle_the_answer_was_sent_goes_on_after_it() -> None:
    event = Event(1.0, 1.4, LoopBlock(0.4, (7, 1), cpu_s=0.2))
    before, after = split_at(event, 1.1)
    assert (before.ended_s, after.began_s) == (1.1, 1.1)
    for each, seconds in ((before.part, 0.1), (after.part, 0.3)):
        assert isinstance(each, LoopBlock)
        assert (each.seconds, each.cpu_s) == pytest.approx((seconds, seconds / 2))
    assert tuple(split_at(event, 2.0)) == (event,)


@given(st.integers(0, 10), st.integers(0, 40))
def test_the_cpu_of_a_route_is_all_its_own_whatever_is_long_enough_for_a_block(
    lone_blocks: int, blocks: int
) -> None:
    """Work that takes about 20 ms counts as a block in some visits only. A visit alone computes as
    long as any other, on average."""
    alone, together = Phase("alone", 0.0, 1.0, 1, ()), Phase("together", 1.0, 2.0, 4, ())
    audit = AuditBuilder(phases=(alone, together))
    compute(audit, alone, 10, lone_blocks)
    compute(audit, together, 40, blocks)
    samples = [
        {"pid": PID, "at_s": at_s, "cpu_s": cpu_s}
        for at_s, cpu_s in ((0.0, 0.0), (0.999, 0.2), (1.001, 0.2), (2.0, 1.0))
    ]
    evidence = replace(audit.build(), samples=make_table(samples, PROBE))
    found = measure_demands(evidence)["/report"]
    in_blocks_s = (x.cpu_s for each in found for x in each.parts if isinstance(x, LoopBlock))
    mean_s = (sum(each.cpu_s for each in found) + sum(in_blocks_s)) / len(found)
    # the other part, which grows only with time, is fitted as well, from two phases
    assert mean_s == pytest.approx(COMPUTING_S, rel=0.05)


def compute(audit: AuditBuilder, phase: Phase, requests: int, blocks: int) -> None:
    """The first ones are blocks. Alone means one after another; otherwise all at once."""
    for number in range(requests):
        began_s = phase.began_s + number / requests if phase.users == 1 else phase.began_s
        ended_s = began_s + COMPUTING_S
        audit.ask("/report", began_s, ended_s, phase=phase.name)
        visit = len(audit.asked)
        audit.handlers[-1] |= {"visit": visit, "arrived_s": began_s, "sent_s": ended_s}
        if number < blocks:
            audit.block(began_s, COMPUTING_S, [], cpu_s=COMPUTING_S, visit=visit)
