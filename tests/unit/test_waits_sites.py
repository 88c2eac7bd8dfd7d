"""Laws of the waits for tokens: no wait is lost, and no code holds more tokens than exist."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.findings.evidence import Stretch, StretchClocks
from analysis.findings.waits.handover_evidence import locate_handovers
from analysis.findings.waits.wait_sites import LEAST_S, find_wait_sites
from analysis.stats.step_function import StepFunction, is_positive
from records.rows import THREAD_STACKS
from tests.unit.audit_samples import FOLDER, PID, library, make_table, own
from tests.unit.handover_samples import build_evidence, make_handover

MS = st.integers(0, 400)
TASKS = st.lists(st.tuples(MS, st.integers(1, 100), st.integers(0, 3)), min_size=1, max_size=25)
SPANS = st.lists(st.tuples(MS, MS), max_size=15)


@dataclass
class QueuedTask:
    """Times in seconds; place: the place of its code."""

    asked_s: float
    work_s: float
    place: int
    granted_s: float = 0.0


def serve(tasks: Sequence[tuple[int, int, int]], capacity: int) -> list[QueuedTask]:
    """First come, first served, with this many threads."""
    queue = [QueuedTask(asked / 1000, work / 1000, place) for asked, work, place in sorted(tasks)]
    free = [0.0] * capacity
    for task in queue:
        thread = free.index(min(free))
        task.granted_s = max(task.asked_s, free[thread])
        free[thread] = task.granted_s + task.work_s
    return queue


def record(task: QueuedTask, **columns: object) -> dict[str, object]:
    is_late = task.granted_s > task.asked_s
    return make_handover(
        **{
            "asked_s": task.asked_s,
            "queued_s": task.asked_s if is_late else None,
            "granted_s": task.granted_s,
            "began_s": task.granted_s,
            "ended_s": task.granted_s + task.work_s,
            "route": f"/{task.place}",
            "work": f"{FOLDER}/main.py:{task.place + 10} work",
            **columns,
        }
    )


@given(TASKS, st.integers(1, 4))
def test_the_seconds_of_all_places_are_all_waits_and_holders_kept_no_more_than_there_was(
    tasks: Sequence[tuple[int, int, int]], capacity: int
) -> None:
    queue = serve(tasks, capacity)
    rows = [
        record(task, visit=visit, capacity=float(capacity))
        for visit, task in enumerate(queue, start=1)
    ]
    sites = list(find_wait_sites(build_evidence(rows), "^anyio$"))
    truth: dict[str, float] = defaultdict(float)
    for task in queue:
        waited_s = task.granted_s - task.asked_s
        if waited_s >= LEAST_S:
            truth[f"/{task.place}"] += waited_s
    found = {str(each.route): float(each.waits_s.sum()) for each in sites}
    assert found.keys() == truth.keys()
    for route, seconds in truth.items():
        assert abs(found[route] - seconds) < 1e-9
    for site in sites:
        kept_s = sum(each.seconds for each in site.holders)
        assert kept_s <= capacity * site.waited_s + 1e-9
        assert abs(site.kept_s - capacity * site.waited_s) < 1e-6  # a wait is a full pool
        assert site.waited_s <= site.waits_s.sum() + 1e-9


@given(SPANS, SPANS)
def test_integrals_are_the_sum_of_all_overlaps(
    counted: Sequence[tuple[int, int]], asked: Sequence[tuple[int, int]]
) -> None:
    begin = np.array([min(each) for each in counted], float)
    end = np.array([max(each) for each in counted], float)
    steps = StepFunction.count(begin, end)
    low = np.array([min(each) for each in asked], float)
    high = np.array([max(each) for each in asked], float)
    overlaps = [
        sum(max(0.0, min(b, d) - max(a, c)) for c, d in zip(begin, end, strict=True))
        for a, b in zip(low, high, strict=True)
    ]
    assert np.allclose(steps.integrate(low, high), overlaps)
    covered = {at for a, b in zip(begin, end, strict=True) for at in range(int(a), int(b))}
    union = steps.map(is_positive)
    assert union.measure_all() == len(covered)
    assert StepFunction.cover(zip(begin, end, strict=True)).measure_all() == len(covered)
    both = steps.combine(union, np.multiply)
    assert np.isclose(both.measure_all(), steps.measure_all())


@given(st.lists(st.tuples(MS, st.integers(1, 300)), min_size=1, max_size=8))
def test_what_a_request_waits_for_at_once_counts_once(waits: Sequence[tuple[int, int]]) -> None:
    rows = [
        make_handover(queued_s=at / 1000, granted_s=(at + for_ms) / 1000, began_s=1.0, ended_s=1.0)
        for at, for_ms in waits
    ]
    covered = {ms for at, for_ms in waits for ms in range(at, at + for_ms)}
    assume(len(covered) != 5)  # at the limit itself, the last digit decides
    sites = list(find_wait_sites(build_evidence(rows), "anyio"))
    found = sum(float(each.waits_s.sum()) for each in sites)
    assert abs(found - (len(covered) / 1000 if len(covered) >= 5 else 0.0)) < 1e-9


def block(began_s: float, length_s: float) -> Stretch:
    return Stretch(PID, int(began_s * 1000) + 1, began_s, StretchClocks(length_s))


def test_a_blocked_loop_answers_for_the_wait_while_a_thread_was_idle() -> None:
    """The only thread works until second 2; the loop, blocked from 1.5 to 5, grants at 5."""
    works = make_handover(capacity=1.0, asked_s=0.0, granted_s=0.0, began_s=0.0, ended_s=2.0)
    waits = make_handover(
        capacity=1.0, visit=2, asked_s=1.0, queued_s=1.0, granted_s=5.0, began_s=5.0, ended_s=6.0
    )
    evidence = build_evidence([works, waits], stretches=(block(1.5, 3.5),))
    found = locate_handovers(evidence).row(1, named=True)
    assert (found["token_s"], found["loop_s"]) == (1.0, 3.0)
    unseen = locate_handovers(build_evidence([works, waits])).row(1, named=True)
    assert (unseen["token_s"], unseen["loop_s"]) == (4.0, 0.0)


def test_a_holders_line_is_where_its_threads_were_seen() -> None:
    works = make_handover(capacity=1.0, asked_s=0.0, granted_s=0.0, began_s=0.0, ended_s=2.0)
    waits = make_handover(
        capacity=1.0, visit=2, route="/b", work=f"{FOLDER}/main.py:70 wait", asked_s=1.0,
        queued_s=1.0, granted_s=2.0, began_s=2.0, ended_s=3.0,
    )  # fmt: skip
    stack = json.dumps([library("socket", "recv"), own("query", 36), own("load", 12)])
    sample = {"pid": PID, "at_s": 1.0, "handover": 1, "route": "/a", "stack": stack}
    stacks = make_table([sample] * 3, THREAD_STACKS)
    (site,) = find_wait_sites(build_evidence([works, waits], thread_stacks=stacks), "anyio")
    (holder,) = site.holders
    assert (holder.route, holder.phase, holder.function) == ("/a", "endpoint", "query")
    assert (holder.file, holder.line, holder.seconds) == ("main.py", 36, 1.0)
    (plain,) = find_wait_sites(build_evidence([works, waits]), "anyio")
    assert (plain.holders[0].line, plain.holders[0].function) == (10, "load")


def test_queues_of_a_process_do_not_meet() -> None:
    """Tokens of another queue, or process, do not count."""
    keeps = [
        make_handover(queue="limiter 1", asked_s=0.0, granted_s=0.0, ended_s=9.0),
        make_handover(pid=PID + 1, asked_s=0.0, granted_s=0.0, ended_s=9.0),
    ]
    waits = make_handover(asked_s=1.0, queued_s=1.0, granted_s=2.0, began_s=2.0, ended_s=3.0)
    (site,) = find_wait_sites(build_evidence([*keeps, waits]), "^anyio$")
    assert site.holders == ()
    assert isinstance(site.waits_s, np.ndarray)
    assert pl.Series(site.waits_s).to_list() == [1.0]
