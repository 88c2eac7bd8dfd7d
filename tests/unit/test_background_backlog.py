"""The finding BACKGROUND_BACKLOG, from handmade records: a server with a number of threads, and one
that waits for nothing."""

import json
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.findings import AuditEvidence
from analysis.findings.layers.background_backlog import BackgroundBacklog
from records.rows import HANDOVERS, LAYERS, MADE
from tests.unit.audit_samples import FOLDER, PID, AuditBuilder, find_kind, make_table
from tests.unit.handover_samples import BACKGROUND, CALLBACK, TEARDOWN, make_handover
from tests.unit.layer_samples import Row, pass_through

ENDED_S = 10.0
"""The recording's end. The route is called for eight seconds."""
ASKED_S = 8.0
WORK = f"{FOLDER}/mail.py:5 send_mail"


def serve(rate: float, work_s: float, threads: int) -> list[tuple[float, float, float]]:
    """Request, start and end of each request's work: first come, first served."""
    free_s = [0.0] * threads
    served = []
    for number in range(round(rate * ASKED_S)):
        asked_s = number / rate
        free_s.sort()
        began_s = max(asked_s, free_s[0])
        free_s[0] = began_s + work_s
        served.append((asked_s, began_s, free_s[0]))
    return served


def build(
    served: Sequence[tuple[float, float, float]], by_threads: bool = False, knows_end: bool = True
) -> AuditEvidence:
    audit = AuditBuilder()
    waits: list[Row] = []
    for visit, (asked_s, began_s, ended_s) in enumerate(served, start=1):
        audit.ask("/mail", asked_s, asked_s)
        is_known = knows_end and ended_s <= ENDED_S
        audit.handlers[-1] |= {
            "visit": visit, "sent_s": asked_s, "returned_s": ended_s if is_known else None,
            "endpoint": f"{FOLDER}/main.py:31 order",
        }  # fmt: skip
        has_begun = began_s <= ENDED_S
        waits.append(
            {
                "pid": PID, "visit": visit, "work": WORK, "asked_s": asked_s,
                "asker": json.dumps(BACKGROUND),
                "queued_s": asked_s if began_s > asked_s else None,
                "granted_s": began_s if has_begun else None,
            }
        )  # fmt: skip
    evidence = audit.build()
    return replace(evidence, handovers=make_table(waits if by_threads else [], HANDOVERS))


def judge(evidence: AuditEvidence) -> tuple[BackgroundBacklog, ...]:
    return find_kind(BackgroundBacklog, evidence)


def test_work_that_falls_behind_is_named_with_both_rates() -> None:
    (found,) = judge(build(serve(rate=50, work_s=0.5, threads=10)))
    assert (found.code, found.route, found.phase) == ("BACKGROUND_BACKLOG", "/mail", "background")
    assert (found.file, found.line, found.function) == ("main.py", 31, "order")
    assert found.begin_rate == pytest.approx(50, rel=0.05)
    assert found.end_rate == pytest.approx(20, rel=0.05)
    assert found.unfinished == pytest.approx(8 * (50 - 20), rel=0.1)
    assert (found.count, found.severity) == (400, "error")
    assert "starts 50" in found.message
    assert "finishes 20" in found.message


def test_the_work_of_threads_has_its_own_line() -> None:
    (found,) = judge(build(serve(50, 0.5, 10), by_threads=True))
    assert (found.file, found.line, found.function) == ("mail.py", 5, "send_mail")
    assert found.confidence == "high"


@pytest.mark.parametrize(("part", "line"), [(0.001, 31), (1.0, 9)])
def test_an_exit_after_the_response_is_the_work_only_if_it_takes_the_time(
    part: float, line: int
) -> None:
    """A task that the loop runs takes the rest. FastAPI runs the exit in a thread."""
    served = serve(50, 0.5, 10)
    work = f"{FOLDER}/main.py:9 get_db"
    exits = [
        make_handover(
            visit=visit, work=work, asker=json.dumps(TEARDOWN), queue="limiter 1",
            asked_s=at_s, began_s=at_s, ended_s=at_s + part * (ended_s - at_s),
        )
        for visit, (at_s, _, ended_s) in enumerate(served, start=1)
    ]  # fmt: skip
    (found,) = judge(replace(build(served), handovers=make_table(exits, HANDOVERS)))
    assert (found.file, found.line) == ("main.py", line)


def test_a_call_that_has_not_ended_is_the_work() -> None:
    """Its stack does not say that it is a background task, as that of a task of its own."""
    served = serve(50, 0.5, 10)
    calls = [
        make_handover(
            visit=visit, work=f"{FOLDER}/main.py:9 send", asker=json.dumps(CALLBACK),
            asked_s=at_s, began_s=at_s, ended_s=None,
        )
        for visit, (at_s, _, ended_s) in enumerate(served, start=1)
        if ended_s > ENDED_S
    ]  # fmt: skip
    (found,) = judge(replace(build(served), handovers=make_table(calls, HANDOVERS)))
    assert (found.file, found.line) == ("main.py", 9)


def test_the_work_of_threads_is_no_exit_that_runs_as_often() -> None:
    evidence = build(serve(50, 0.5, 10), by_threads=True)
    made = {"asker": json.dumps(TEARDOWN), "asked_s": 9.0, "began_s": 9.0, "ended_s": 9.001}
    work = f"{FOLDER}/db.py:9 get_db"
    exits = [make_handover(visit=visit, work=work, **made) for visit in range(1, 401)] * 2
    rows = pl.concat([make_table(exits, HANDOVERS), evidence.handovers])
    (found,) = judge(replace(evidence, handovers=rows))
    assert (found.file, found.line) == ("mail.py", 5)


def test_work_of_which_none_has_ended_is_known_by_its_waits_for_threads() -> None:
    served = serve(rate=25, work_s=30.0, threads=40)
    assert len(judge(build(served, by_threads=True))) == 1
    assert judge(build(served)) == ()  # nothing shows what it waits for


def test_a_task_that_the_loop_runs_has_its_own_line() -> None:
    evidence = build(serve(50, 0.5, 10))
    stack = json.dumps([["mail", f"{FOLDER}/mail.py", 5, "send_mail", 5]])
    rows: list[Row] = [
        {"pid": PID, "visit": visit, "kind": "background task", "stack": stack, "at_s": 1.0}
        for visit in range(1, 400)
    ]
    (found,) = judge(replace(evidence, made=make_table(rows, MADE)))
    assert (found.file, found.line, found.function) == ("mail.py", 5, "send_mail")


def test_work_of_which_three_have_ended_one_after_the_other_waits_for_its_turn() -> None:
    """Four users: six responses per second, and a worker that needs two seconds."""
    (found,) = judge(build(serve(rate=6, work_s=2.0, threads=1)))
    assert (found.count, found.severity, found.confidence) == (48, "error", "medium")
    assert judge(build(serve(rate=6, work_s=4.0, threads=1))) == ()  # two show no order


@given(seed=st.integers(0, 10_000), long_part=st.floats(0.2, 0.8), rate=st.floats(5, 50))
def test_short_work_and_long_work_that_wait_for_nothing_are_innocent(
    seed: int, long_part: float, rate: float
) -> None:
    """More and more is unfinished during the long work, which is longer than the recording."""
    draw = Random(seed)
    begins = [number / rate for number in range(round(rate * ASKED_S))]
    ends = [at_s + (30.0 if draw.random() < long_part else 0.1) for at_s in begins]
    assert judge(build(list(zip(begins, begins, ends, strict=True)))) == ()


@given(rate=st.floats(5, 100), work_s=st.floats(0.001, 30.0))
def test_work_that_waits_for_nothing_is_innocent(rate: float, work_s: float) -> None:
    """For any duration: as much begins as ends, once the first has ended."""
    assert judge(build(serve(rate, work_s, threads=1000))) == ()


@given(threads=st.integers(1, 20), work_s=st.floats(0.001, 0.5), load=st.floats(0.1, 0.95))
def test_work_that_keeps_up_is_innocent(threads: int, work_s: float, load: float) -> None:
    served = serve(min(100.0, load * threads / work_s), work_s, threads)
    assert judge(build(served, by_threads=True)) == ()


@given(threads=st.integers(1, 20), load=st.floats(2.0, 10.0))
def test_twice_as_much_as_ends_is_always_found(threads: int, load: float) -> None:
    work_s = 0.02 * threads * load  # 50 begin in a second
    if ASKED_S / work_s * threads >= 20:
        assert len(judge(build(serve(50, work_s, threads), by_threads=True))) == 1


def test_work_that_differs_is_no_work_that_grows() -> None:
    """The later ones of ten have a longer median, but none is longer than the longest before."""
    ended_s = [0.1, 0.1, 0.1, 0.2, 0.2, 0.1, 0.1, 0.2, 0.2, 0.2]
    served = [(each / 10, each / 10, each / 10 + 30) for each in range(80)]
    for place, lasted_s in enumerate(ended_s):
        at_s, begun_s, _ = served[3 * place + 1]
        served[3 * place + 1] = at_s, begun_s, at_s + lasted_s
    assert judge(build(served)) == ()


def test_a_single_long_task_is_innocent() -> None:
    served = [(each / 10, each / 10, each / 10 + 0.001) for each in range(80)]
    served[20] = (2.0, 2.0, 9.5)
    assert judge(build(served, by_threads=True)) == ()


def test_what_a_middleware_does_after_the_answer_is_no_background_work() -> None:
    served = serve(50, 0.5, 10)
    rows = []
    for visit, (asked_s, _, _) in enumerate(served, start=1):
        rows += pass_through(visit, asked_s - 0.01, {"layer": "x"})
    evidence = replace(build(served), layers=make_table(rows, LAYERS))
    assert judge(evidence) == ()


def test_work_of_unknown_end_is_unfinished() -> None:
    """A server that was ended does not record the return of its requests."""
    served = [
        (each, began, 99.0 if asked > 4 else end)
        for each, (asked, began, end) in ((s[0], s) for s in serve(50, 0.5, 10))
    ]
    assert len(judge(build(served, by_threads=True))) == 1
