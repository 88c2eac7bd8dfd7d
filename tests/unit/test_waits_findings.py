"""The findings POOL_WAIT and EXECUTOR_WAIT, from handmade records."""

import json
from collections.abc import Sequence

import pytest

from analysis.findings import export_findings, find_all
from analysis.findings.base import AuditFinding
from analysis.findings.evidence import AuditEvidence
from analysis.findings.waits.executor_wait import ExecutorWait
from analysis.findings.waits.pool_wait import PoolWait
from analysis.findings.waits.queue_wait import QueueWait
from records.rows import HANDLERS
from tests.unit.audit_samples import FOLDER, PID, Entry, Row, find_kind, library, make_table, own
from tests.unit.handover_samples import (
    APP,
    BACKGROUND,
    TO_THREAD,
    build_evidence,
    make_handover,
    wait,
)


def fill(queue: str = "anyio", threads: int = 4, ended_s: float = 3.0) -> list[Row]:
    """All threads work for /slow, from second 1 on."""
    return [
        make_handover(
            visit=100 + each, route="/slow", work=f"{FOLDER}/main.py:50 load", queue=queue,
            capacity=float(threads), ended_s=ended_s, queued_s=None,
        )
        for each in range(threads)
    ]  # fmt: skip


def answer(visit: int, arrived_s: float, sent_s: float) -> Row:
    return {
        "pid": PID, "visit": visit, "route": "/quick", "arrived_s": arrived_s, "sent_s": sent_s,
    }  # fmt: skip


def build(rows: Sequence[Row], answers: Sequence[Row] = ()) -> AuditEvidence:
    return build_evidence(rows, handlers=make_table(answers, HANDLERS))


def find(kind: type[QueueWait], evidence: AuditEvidence) -> list[QueueWait]:
    return list(find_kind(kind, evidence))


def test_a_wait_for_the_pool_names_who_waits_and_who_keeps_the_threads() -> None:
    rows = [*fill(), *(wait(2.0, visit) for visit in range(1, 4))]
    answers = [answer(visit, 0.5, 3.0) for visit in range(1, 4)]
    (found,) = find(PoolWait, build(rows, answers))
    assert (found.code, found.cause, found.route, found.phase) == (
        "POOL_WAIT", "pool", "/quick", "dependency",
    )  # fmt: skip
    assert (found.file, found.line, found.function, found.call) == (
        "main.py", 20, "find_user", "find_user",
    )  # fmt: skip
    assert (found.count, found.seconds, found.median_ms, found.longest_ms) == (3, 6.0, 2e3, 2e3)
    assert found.share == 6.0 / 7.5
    assert (found.severity, found.confidence) == ("error", "high")
    assert found.holders is not None
    (holder,) = found.holders
    assert (holder.route, holder.phase, holder.line, holder.seconds) == (
        "/slow", "endpoint", 50, 8.0,
    )  # fmt: skip
    assert found.facts == (
        "To run the dependency find_user(), 3 requests wait for a thread of anyio's pool: 2,000 ms "
        "(median), 2,000 ms at most."
    )
    who, cure = found.advice.values()
    assert who == (
        "Meanwhile, 4 of 4 threads are in use; load() (main.py:50) for /slow takes 100 % of their "
        "time."
    )
    assert found.message == f"{found.facts} {who} {cure}"


def test_a_wait_for_the_loop_is_none_for_the_pool() -> None:
    late = make_handover(asked_s=1.0, queued_s=None, granted_s=1.9, began_s=1.995, ended_s=2.0)
    assert find(PoolWait, build([late])) == []
    mixed = wait(0.5, began_s=2.5, ended_s=2.6)
    (found,) = find(PoolWait, build([*fill(ended_s=1.5), mixed]))
    assert (found.seconds, found.loop_ms) == (0.5, 1000.0)
    assert "Another 1,000 ms pass" in found.message


def test_a_full_pool_that_hurts_nobody_is_innocent() -> None:
    """Waits of less than 5 ms, and of less than 1 % of the route's time."""
    assert find(PoolWait, build(fill())) == []
    short = [*fill(), *(wait(0.0049, visit) for visit in range(1, 50))]
    assert find(PoolWait, build(short)) == []
    slow = [answer(visit, 0.0, 9.0) for visit in range(1, 50)]
    rare = [*fill(), *(wait(0.05, visit) for visit in range(1, 50))]
    assert find(PoolWait, build(rare, slow)) == []
    quick = [answer(visit, 0.95, 1.1) for visit in range(1, 50)]
    (found,) = find(PoolWait, build(rare, quick))
    assert found.severity == "warning"


def test_a_queue_with_free_threads_is_innocent() -> None:
    """One thread of four works at that time: the other requests are late for another reason."""
    rows = [*fill("executor")[:1], *(wait(0.3, visit, queue="executor") for visit in range(1, 9))]
    assert find(ExecutorWait, build(rows)) == []
    full = [*fill("executor"), *(wait(0.3, visit, queue="executor") for visit in range(1, 9))]
    assert len(find(ExecutorWait, build(full))) == 1


def test_many_small_waits_of_a_request_are_one() -> None:
    chunks = [wait(0.004, at_s=1 + 0.01 * turn) for turn in range(50)]
    (found,) = find(PoolWait, build([*fill(), *chunks]))
    assert (found.count, round(found.seconds or 0, 9)) == (1, 0.2)


def test_a_wait_after_the_answer_is_no_latency() -> None:
    late = wait(2.0, asker=json.dumps(BACKGROUND), work=f"{FOLDER}/main.py:30 mail")
    (found,) = find(PoolWait, build([*fill(), late], [answer(1, 0.5, 0.9)]))
    assert (found.phase, found.share, found.severity) == ("background", None, "warning")
    assert "mostly after the response, when no client waits" in found.message
    (before,) = find(PoolWait, build([*fill(), late], [answer(1, 0.5, 4.0)]))
    assert (before.severity, "no client" in before.message) == ("error", False)


def test_waits_of_which_a_client_sees_some_are_not_said_to_be_all_after_the_answer() -> None:
    asker, work = json.dumps(BACKGROUND), f"{FOLDER}/main.py:30 mail"
    late = (wait(seconds, visit, asker=asker, work=work) for visit, seconds in ((1, 0.5), (2, 2.0)))
    rows = [*fill(), *late]
    (found,) = find(PoolWait, build(rows, [answer(1, 0.5, 4.0), answer(2, 0.5, 0.9)]))
    assert found.is_after
    assert "mostly after the response" in found.message


def test_one_request_and_one_thread_are_singular() -> None:
    (found,) = find(PoolWait, build([*fill(threads=1), wait(2.0, capacity=1.0)]))
    assert found.facts == (
        "To run the dependency find_user(), 1 request waits for a thread of anyio's pool: 2,000 ms."
    )
    assert (
        "1 of 1 thread is in use; load() (main.py:50) for /slow takes 100 % of its time"
        in found.message
    )


def test_waits_for_one_queue_share_their_advice() -> None:
    rows = [*fill(), wait(2.0), wait(1.0, visit=2, route="/other")]
    first, second = find(PoolWait, build(rows))
    assert first.facts != second.facts
    assert first.advice == second.advice


def test_a_wait_that_never_ends_counts() -> None:
    never = wait(0.0, granted_s=None, began_s=None, ended_s=None)
    (found,) = find(PoolWait, build([*fill(ended_s=10.0), never]))
    assert (found.seconds, found.count) == (9.0, 1)


LIMITS: Sequence[tuple[str, Sequence[Entry]]] = [
    ("a token of the app's own limiter 1", [TO_THREAD[0], own("put", 31), *APP]),
    (
        "a token of the limiter of starlette.middleware.gzip",
        [TO_THREAD[0], library("starlette.middleware.gzip", "apply_compression"), *APP],
    ),
    (
        "a token of the limiter of anyio.to_process",
        [library("anyio.to_process", "run_sync"), own("put", 31), *APP],
    ),
    (
        "a slot of Depends(max_concurrency=...)",
        [library("fastapi.dependencies.utils", "solve_dependencies"), *APP],
    ),
]


@pytest.mark.parametrize(("name", "asker"), LIMITS)
def test_a_limiter_is_a_queue_of_its_own(name: str, asker: Sequence[Entry]) -> None:
    rows = [*fill("limiter 1"), wait(2.0, queue="limiter 1", asker=json.dumps(asker))]
    (found,) = find(PoolWait, build(rows))
    assert (found.cause, found.queue) == ("limiter", "limiter 1")
    assert f"waits for {name}" in found.message
    is_cores = "to_process" in name
    is_meant = "gzip" not in name
    assert (found.severity == "warning") == is_meant
    assert ("app's own limit: raise it only" in found.message) == (is_meant and not is_cores)
    assert ("more processes would not compute faster" in found.message) == is_cores


@pytest.mark.parametrize(
    ("queue", "name"),
    [
        ("executor", "asyncio's default executor"),
        ("executor db", "the ThreadPoolExecutor db"),
        ("asgiref", "asgiref's executor for thread-sensitive code"),
    ],
)
def test_executors_are_queues_of_their_own(queue: str, name: str) -> None:
    rows = [*fill(queue), *fill("anyio"), wait(2.0, queue=queue, granted_s=None)]
    evidence = build(rows)
    assert find(PoolWait, evidence) == []
    (found,) = find(ExecutorWait, evidence)
    assert (found.code, found.cause, found.seconds) == ("EXECUTOR_WAIT", "executor", 2.0)
    assert f"a thread of {name}" in found.message
    assert found.holders is not None
    assert found.holders[0].seconds == 8.0


def test_without_known_holders_the_confidence_is_low() -> None:
    (found,) = find(PoolWait, build([wait(2.0)]))
    assert (found.confidence, found.holders) == ("low", ())
    assert "Meanwhile, 0 of 4 threads are known to be in use." in found.message


def test_findings_json_takes_the_findings() -> None:
    evidence = build([*fill(), wait(2.0, capacity=float("inf")), wait(2.0, visit=2, route=None)])
    found: list[AuditFinding] = [
        each for each in find_all(evidence).findings if isinstance(each, PoolWait)
    ]
    assert {each.route for each in found} == {"/quick", None}
    assert json.dumps(export_findings(find_all(evidence)), allow_nan=False)
