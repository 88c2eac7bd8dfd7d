"""What a change removes from requests, and what stays."""

import pytest

from analysis.theory.audit.edits import (
    ELSEWHERE,
    AwaitedEdit,
    BlockEdit,
    CallEdit,
    CpuEdit,
    Edit,
    MakingEdit,
    await_block,
    compute_elsewhere,
)
from analysis.theory.audit.load import find_cycle
from analysis.theory.audit.parts import (
    AnswerSent,
    AwaitedTime,
    ConcurrentCalls,
    LoopBlock,
    Part,
    ThreadCall,
    VisitDemand,
)

VISIT, OTHER = (7, 1), (7, 2)
BLOCK = LoopBlock(0.1, (7, 11), cpu_s=0.08)
CALL = ThreadCall("anyio", 0.2, (7, 21), cpu_s=0.05)
SECOND = ThreadCall("anyio", 0.3, (7, 22))
KEPT = ThreadCall("anyio", 0.2, (7, 23), cpu_s=0.2, kept_s=0.2, stretch=(7, 11))


def apply(edit: Edit, *parts: Part, cpu_s: float = 0.01) -> VisitDemand:
    return edit.apply(VisitDemand((*parts, AnswerSent()), cpu_s, visit=VISIT))


def apply_to(edit: Edit, *parts: Part) -> tuple[Part, ...]:
    return apply(edit, *parts).parts[:-1]


def test_a_part_of_a_block_is_awaited_and_the_rest_stays() -> None:
    awaited, rest = apply_to(BlockEdit({BLOCK.stretch: 0.07}, await_block), BLOCK)
    assert awaited == AwaitedTime(0.07)
    assert isinstance(rest, LoopBlock)
    assert (rest.seconds, rest.cpu_s) == pytest.approx((0.03, 0.03))


def test_a_block_is_computed_by_other_processes_or_not_at_all() -> None:
    (moved,) = apply_to(BlockEdit({BLOCK.stretch: 1.0}, compute_elsewhere), BLOCK)
    assert moved == ThreadCall(ELSEWHERE, 0.1, BLOCK.stretch)
    assert apply_to(BlockEdit({BLOCK.stretch: 0.1}, None), BLOCK) == ()
    assert apply_to(BlockEdit({(7, 99): 0.1}, None), BLOCK) == (BLOCK,)


def test_a_thread_that_keeps_the_gil_is_moved_with_its_stretch() -> None:
    (moved,) = apply_to(BlockEdit({(7, 11): 0.2}, compute_elsewhere), KEPT)
    assert moved == ThreadCall(ELSEWHERE, 0.2, KEPT.handover)


def test_a_call_without_a_thread_is_awaited_or_computed() -> None:
    assert apply_to(CallEdit(frozenset({CALL.handover})), CALL, SECOND) == (
        AwaitedTime(0.2), SECOND,
    )  # fmt: skip
    computed = apply(CallEdit(frozenset({CALL.handover}), computing=True), CALL, SECOND)
    assert computed.parts[:-1] == (SECOND,)
    assert computed.cpu_s == pytest.approx(0.21)


def test_of_calls_that_run_together_the_others_keep_their_threads() -> None:
    together = ConcurrentCalls((CALL, SECOND))
    edit = CallEdit(frozenset({CALL.handover}))
    assert apply_to(edit, together) == (ConcurrentCalls((SECOND,)),)
    both = CallEdit(frozenset({CALL.handover, SECOND.handover}))
    assert apply_to(both, together) == (AwaitedTime(0.3),)


def test_a_shorter_wait_is_that_of_its_own_visit() -> None:
    waits = AwaitedTime(0.05), AwaitedTime(0.2)
    short, shorter = apply_to(AwaitedEdit({VISIT: 0.15}), *waits)
    assert isinstance(shorter, AwaitedTime)
    assert short == waits[0]
    assert shorter.seconds == pytest.approx(0.05)
    assert apply_to(AwaitedEdit({OTHER: 0.15}), *waits) == waits


def test_what_is_no_longer_made_takes_no_time_where_it_was() -> None:
    (block,) = apply_to(MakingEdit({VISIT: 0.06}), BLOCK)
    assert isinstance(block, LoopBlock)
    assert (block.seconds, block.cpu_s) == pytest.approx((0.04, 0.02))
    assert apply(MakingEdit({VISIT: 0.004})).cpu_s == pytest.approx(0.006)
    assert apply(MakingEdit({VISIT: 0.5}), BLOCK).parts[0] == BLOCK


def test_without_cpu_threads_still_wait() -> None:
    edited = apply(CpuEdit(), CALL)
    (call,) = edited.parts[:-1]
    assert isinstance(call, ThreadCall)
    assert (edited.cpu_s, call.seconds, call.cpu_s) == pytest.approx((0, 0.15, 0))


@pytest.mark.parametrize(
    ("asked", "cycle"),
    [("abcabca", "abc"), ("aabaaba", "aab"), ("ab", "ab"), ("aaaa", "a"), ("abac", "abac")],
)
def test_a_round_is_asked_whole(asked: str, cycle: str) -> None:
    """A partial last round would count some routes more often."""
    assert find_cycle(tuple(asked)) == tuple(cycle)
