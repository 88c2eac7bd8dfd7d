"""What a request needs, from what the probe saw of it."""

import pytest

from analysis.theory.audit.demands import Event, join_concurrent, list_parts, split_at
from analysis.theory.audit.parts import (
    AnswerSent,
    AwaitedTime,
    ConcurrentCalls,
    LoopBlock,
    ThreadCall,
)

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
