"""The thread and event-loop timeline: which bars may overlap and which must not."""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.window import MeasuredCell, Window, open_cell
from analysis.report.cell_timeline import build_timeline
from analysis.report.timeline import (
    AWAITING,
    HANDLING,
    HOLDING,
    MOST_BARS,
    MOST_ROWS,
    SILENT,
    WAITING,
    Timeline,
    build_timeline_from_rows,
)
from records.ids import BYSTANDER_PROCESS, generate_ids
from records.rows import HANDLERS, PROBE, THREAD_CALLS, conform_to_schema
from tests.unit.samples import CELL_NUMBER, healthy, record, tables

WINDOW = Window(0.0, 10.0)
Visit = tuple[int, str, float | None, float, float]
"""thread, kind of thread, queued_s, started_s, ended_s"""


def handlers(visits: list[Visit], first: int = 0) -> pl.DataFrame:
    rows = [
        {
            "pid": 1, "request_id": first + number, "route": "/x", "arrived_s": started_s,
            "queued_s": queued_s, "started_s": started_s, "ended_s": ended_s, "sent_s": ended_s,
            "thread_id": thread, "thread_kind": kind,
        }
        for number, (thread, kind, queued_s, started_s, ended_s) in enumerate(visits)
    ]  # fmt: skip
    return conform_to_schema(pl.DataFrame(rows, infer_schema_length=None), HANDLERS)


def probe(silences: Sequence[tuple[float, float]] = ()) -> pl.DataFrame:
    """A beat every 10 ms except in the silences, each sampled every 10 ms."""
    rows = []
    for tick in range(1000):
        at_s = 0.01 * tick
        ages = [at_s - start for start, end in silences if start <= at_s < end]
        rows.append({"pid": 1, "at_s": at_s, "heartbeat_age_s": max(ages, default=0.005)})
    return conform_to_schema(pl.DataFrame(rows), PROBE)


def lanes(
    visits: list[Visit], silences: list[tuple[float, float]] | None = None, blocks: bool = False
) -> Timeline:
    return build_timeline_from_rows(handlers(visits), probe(silences or []), WINDOW, blocks=blocks)


def overlapping(bars: pl.DataFrame) -> int:
    """The number of bars that start before the previous bar in their row has ended."""
    late = bars.sort("row", "start_s").with_columns(until=pl.col("end_s").shift().over("row"))
    return late.filter(pl.col("start_s") < pl.col("until") - 1e-9).height


def test_a_pool_thread_has_a_row_and_its_wait_is_drawn_there() -> None:
    found = lanes([(7, "anyio-worker", 1.0, 2.0, 3.0)])
    assert found.rows == ("loop", "thread   1")
    bars = {(each["row"], each["kind"]): each for each in found.bars.iter_rows(named=True)}
    assert bars["thread   1", WAITING]["start_s"] == 1.0
    assert bars["thread   1", HANDLING]["start_s"] == 2.0
    assert bars["thread   1", HANDLING]["end_s"] == 3.0


def test_requests_that_await_on_one_loop_take_rows_of_their_own() -> None:
    found = lanes([(1, "loop", None, 1.0, 2.0), (1, "loop", None, 1.1, 2.1)])
    assert found.rows == ("loop", "await   1", "await   2")
    assert set(found.bars["kind"]) == {AWAITING}


def test_a_request_that_silences_its_loop_is_drawn_on_the_loop() -> None:
    found = lanes([(1, "loop", None, 1.0, 2.0)], silences=[(1.0, 2.0)])
    assert found.bars.rows() == [("loop", HOLDING, 1.0, 2.0, "/x")]


def test_a_silence_that_no_request_accounts_for_is_told_too() -> None:
    found = lanes([(1, "loop", None, 5.0, 6.0)], silences=[(1.0, 2.0)])
    (silence,) = found.bars.filter(pl.col("kind") == SILENT).iter_rows(named=True)
    assert silence["start_s"] == pytest.approx(1.0, abs=0.02)  # a beat
    assert silence["end_s"] == pytest.approx(2.0, abs=0.02)


def test_more_rows_than_can_be_told_apart_are_counted_and_left_out() -> None:
    found = lanes([(1, "loop", None, 1.0, 2.0)] * (MOST_ROWS + 5))
    assert len(found.rows) == 1 + MOST_ROWS
    assert found.left_out == 5


moments = st.integers(0, 900).map(lambda each: each / 100)
lengths = st.integers(1, 200).map(lambda each: each / 100)


@given(st.lists(st.tuples(moments, lengths), max_size=40), st.booleans())
def test_awaiting_requests_never_overlap_in_a_row_and_none_is_lost(
    spans: list[tuple[float, float]], silent: bool
) -> None:
    visits: list[Visit] = [
        (1, "loop", None, start, min(start + length, 10.0)) for start, length in spans
    ]
    found = lanes(visits, silences=[(2.0, 4.0)] if silent else [])
    awaiting = found.bars.filter(pl.col("kind") == AWAITING)
    assert overlapping(awaiting) == 0
    held = found.bars.filter(pl.col("kind") == HOLDING)
    if not found.left_out:
        assert awaiting.height + held.height == len(visits)


@given(st.lists(lengths, min_size=1, max_size=20))
def test_what_blocks_the_loop_never_overlaps_on_it(lengths_s: list[float]) -> None:
    visits: list[Visit] = []
    at_s = 0.5
    for length in lengths_s:
        if at_s + length < 10:
            visits.append((1, "loop", None, at_s, at_s + length))
            at_s += length + 0.001
    silences = [(start, end) for _, _, _, start, end in visits]
    found = lanes(visits, silences=silences, blocks=True)
    loop = found.bars.filter(pl.col("row") == "loop")
    assert overlapping(loop) == 0
    assert loop.filter(pl.col("kind") == HOLDING).height == len(visits)


def test_requests_of_two_loops_are_no_neighbours() -> None:
    visits: list[Visit] = [(1, "loop", None, 0.0, 1.0), (1, "loop", None, 0.3, 1.3)]
    both = pl.concat(
        [
            handlers(visits),
            handlers([(2, "loop", None, 0.1, 0.2)]).with_columns(pid=pl.lit(2, pl.UInt32)),
        ]
    )
    found = build_timeline_from_rows(both, probe([(0.0, 1.3)]), WINDOW, blocks=False)
    assert HOLDING not in set(found.bars["kind"])  # it may be either of the two


def test_those_that_wait_do_not_push_out_those_that_are_served() -> None:
    early = Window(5.0, 10.0)
    waiting: list[Visit] = [
        (n % 40, "anyio-worker", 0.0, 5.0 + 0.001 * n, 5.9 + 0.001 * n) for n in range(4000)
    ]
    found = build_timeline_from_rows(handlers(waiting), probe(), early, blocks=False)
    assert not found.is_shortened
    assert found.bars.filter(pl.col("kind") == HANDLING).height == 4000


def test_a_page_holds_so_many_bars_and_says_where_they_end() -> None:
    quick: list[Visit] = [(1, "loop", None, 0.001 * n, 0.001 * n + 0.0005) for n in range(9000)]
    found = lanes(quick)
    assert found.bars.height == MOST_BARS
    assert found.span.end_s == pytest.approx(4.0)  # 1,000 a second
    assert lanes(quick[:100]).span == WINDOW


def test_what_a_bystander_asked_is_no_load() -> None:
    visits: list[Visit] = [(1, "loop", None, 1.0, 2.0)]
    for process, empty in ((BYSTANDER_PROCESS, True), (0, False)):
        asked = handlers(visits, next(generate_ids(5, process)))
        assert build_timeline_from_rows(asked, probe(), WINDOW, blocks=False).is_empty is empty


def test_a_call_that_is_handed_over_is_drawn_on_its_thread_and_no_background_request_is() -> None:
    """The request itself awaits on the loop at that time."""
    cell = healthy_cell("async-http-offload")
    found = build_timeline(cell)
    calls = found.bars.filter(pl.col("kind") == HANDLING)
    assert set(calls["row"]) == {"thread   1"}
    assert calls.select("start_s", "end_s").rows() == [(3.2, 3.4)]
    (wait,) = found.bars.filter(pl.col("kind") == WAITING).iter_rows(named=True)
    assert (wait["row"], wait["start_s"], wait["end_s"]) == ("thread   1", 3.1, 3.2)
    assert AWAITING in set(found.bars["kind"])
    assert not found.lacks_calls


def test_a_record_without_such_calls_says_so() -> None:
    for name, lacks in (("async-http-offload", True), ("async-http", False), ("sync-http", False)):
        cell = open_cell(record(name), tables(healthy()))
        assert build_timeline(cell).lacks_calls == lacks


def healthy_cell(name: str) -> MeasuredCell:
    """With an offloaded call of a request, and one of a background request at the same time."""
    found = tables(healthy())
    ids = found.handlers["request_id"].to_list()
    background = next(generate_ids(CELL_NUMBER, BYSTANDER_PROCESS))
    handlers = found.handlers.with_columns(
        visit=pl.int_range(pl.len(), dtype=pl.UInt32),
        request_id=pl.Series([*ids[:-1], background], dtype=pl.UInt64),
    )
    call = {"pid": 1, "route": "/", "thread_kind": "anyio-worker", "asked_s": 3.1, "began_s": 3.2}
    rows = [
        {**call, "visit": visit, "thread_id": thread, "ended_s": 3.4}
        for visit, thread in ((0, 21), (len(ids) - 1, 22))
    ]
    calls = conform_to_schema(pl.DataFrame(rows), THREAD_CALLS)
    return open_cell(record(name), replace(found, handlers=handlers, thread_calls=calls))
