"""Changes that belong together say so: one that needs a thread, and a larger pool for it."""

from dataclasses import replace

import pytest

from analysis.findings import AuditFinding, AuditFindings
from analysis.findings.cures.joint_cures import join_cures
from analysis.findings.cures.process_cures import TURNS
from analysis.findings.remedies import Cure, Predicted, RouteChange, RouteLevel, Tried
from analysis.findings.resources.limiter_size import LimiterSize
from analysis.findings.waits.executor_wait import ExecutorWait
from analysis.findings.waits.pool_wait import PoolWait
from analysis.findings.waits.queue_wait import QueueWait
from analysis.report.remedy_words import describe_cure
from tests.unit.cure_samples import check_cure
from tests.unit.finding_samples import SampleBlock, keep_threads
from tests.unit.handover_samples import wait
from tests.unit.test_waits_findings import build, fill, find

DEF = Cure(
    "main.py", 3, ("async def pay():",), ("def pay():",), "It runs in a thread.", "offload",
    "offload=/pay", saves_ms=80.0, costs_ms=0.1, frees_loop=True,
)  # fmt: skip
AWAIT = replace(DEF, reason="Await it.", rule="one-blocks-all", costs_ms=0.0)
LARGER = Cure(None, None, (), ("total_tokens = 30",), "More.", "raise-the-pool", "pool=30")
BLOCK = SampleBlock(
    severity="error", confidence="high", file="main.py", line=4, function="pay", route="/pay",
    cause="wait", cure=DEF,
)  # fmt: skip
FULL = PoolWait(
    severity="error", confidence="high", file="main.py", line=35, function="list", route="/list",
    cause="pool", cure=LARGER, queue="anyio", setter=None, capacity=6.0, in_use=6.0, loop_ms=0.0,
    is_after=False,
)  # fmt: skip
SMALL = LimiterSize(
    severity="info", confidence="high", cause="small", tokens=2.0, borrowed=2.0,
    cure=replace(LARGER, file="main.py", line=9),
)  # fmt: skip
PAY, SLOWER = RouteLevel("/pay", 10.0, 300.0, 400.0), RouteLevel("/pay", 5.0, 1200.0, 1400.0)
SLOWS_PAY = Predicted(30, (PAY,), (SLOWER,))
TOGETHER = "anyio's pool is full (POOL_WAIT at main.py:35): make both changes together,"
BLOCKED = "The event loop is blocked too (LOOP_BLOCKED at main.py:4):"


def list_reasons(*found: AuditFinding) -> list[str]:
    joined = join_cures(AuditFindings(found)).findings
    return [each.cure.reason if each.cure else "" for each in joined]


def test_a_change_that_needs_a_thread_names_the_full_pool() -> None:
    said, pool = list_reasons(BLOCK, FULL)
    assert (
        said == f"It runs in a thread. {TOGETHER} or this change makes requests wait for a thread."
    )
    assert pool == "More."
    turns = replace(BLOCK, cure=replace(DEF, reason=TURNS, rule="cpu"))
    assert TOGETHER in list_reasons(turns, FULL)[0]
    stuck = replace(FULL, cure=None)
    assert "(POOL_WAIT at main.py:35): make its work faster first," in list_reasons(BLOCK, stuck)[0]


def test_a_small_pool_is_named_by_the_line_that_sets_it() -> None:
    said = "anyio's pool is small (LIMITER_SIZE at main.py:9): make both changes together,"
    assert said in list_reasons(BLOCK, SMALL)[0]
    nowhere = replace(SMALL, cure=LARGER)
    assert "anyio's pool is small (LIMITER_SIZE): make both" in list_reasons(BLOCK, nowhere)[0]
    assert TOGETHER in list_reasons(BLOCK, FULL, SMALL)[0]


@pytest.mark.parametrize(
    ("block", "pool"),
    [
        (replace(BLOCK, cure=AWAIT), FULL),
        (replace(BLOCK, cause="gil"), FULL),  # its work is in a thread already
        (replace(BLOCK, cure=None), FULL),
        (BLOCK, replace(FULL, queue="executor", cause="executor")),
        (BLOCK, replace(FULL, queue="limiter 1", cause="limiter")),
        (BLOCK, replace(FULL, severity="info")),
        (BLOCK, replace(FULL, confidence="low")),  # its threads may be free
        (BLOCK, replace(SMALL, cause="large")),
        (BLOCK, BLOCK),
    ],
)
def test_other_changes_need_no_other(block: AuditFinding, pool: AuditFinding) -> None:
    assert list_reasons(block, pool) == [
        each.cure.reason if each.cure else "" for each in (block, pool)
    ]


def test_a_larger_pool_that_slows_other_routes_names_the_block() -> None:
    slowing = replace(FULL, predicted=SLOWS_PAY)
    said = f"More. {BLOCKED} make both changes together, or other routes get slower."
    assert list_reasons(BLOCK, slowing)[1] == said
    awaited = replace(BLOCK, cure=AWAIT)
    said = f"More. {BLOCKED} change that first, or other routes get slower."
    assert list_reasons(awaited, slowing)[1] == said
    measured = RouteChange("/pay", PAY, SLOWER, 0.25, 0.2, 0.3)
    tried = replace(FULL, tried=Tried("pool=40", 3, (measured,), ("/pay",)))
    assert BLOCKED in list_reasons(awaited, tried)[1]
    for harmless in (
        replace(slowing, route="/pay"),  # the waiting route itself, for another reason
        replace(slowing, cure=replace(LARGER, trial=None)),
        replace(FULL, tried=Tried("workers=2", 3, (measured,), ("/pay",))),
    ):
        assert list_reasons(awaited, harmless)[1] == "More."
    assert list_reasons(replace(awaited, severity="info"), slowing)[1] == "More."


def test_a_cost_is_not_said_if_the_route_itself_gets_slower() -> None:
    measured = RouteChange("/pay", PAY, SLOWER, 0.25, 0.2, 0.3)
    better = RouteChange("/ping", SLOWER, PAY, 4.0, 3.0, 5.0)
    tried = Tried("offload=/pay", 3, (measured, better), ("/pay",))
    assert "It frees the event loop for 80.0 ms and costs 0.1 ms" in describe_cure(BLOCK)
    for slower in (replace(BLOCK, predicted=SLOWS_PAY), replace(BLOCK, tried=tried)):
        assert describe_cure(slower).endswith("It frees the event loop for 80.0 ms per request.")
    other = replace(BLOCK, tried=replace(tried, trial="workers=2"))
    assert describe_cure(other) == describe_cure(BLOCK)


@pytest.mark.parametrize(("kind", "queue"), [(PoolWait, "anyio"), (ExecutorWait, "executor")])
def test_a_larger_pool_names_the_function_that_holds_most_of_it(
    kind: type[QueueWait], queue: str
) -> None:
    evidence = build([*fill(queue), wait(2.0, queue=queue, granted_s=None)])
    (found,) = find(kind, evidence)
    cure = check_cure(found.propose_cure(evidence), found.code)
    assert cure.reason.endswith("Better: make load() (main.py:50) faster or asynchronous.")
    half = (keep_threads("/one", 4.0, line=1), keep_threads("/two", 4.0, line=2))
    said = replace(found, holders=half).propose_cure(evidence)
    assert "Better" not in check_cure(said, found.code).reason
    both = (half[0], replace(half[1], line=1))
    said = replace(found, holders=both).propose_cure(evidence)
    assert "make keep() (main.py:1) faster" in check_cure(said, found.code).reason
