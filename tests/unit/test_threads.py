import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.threads import compute_active_threads
from analysis.measures.window import Window

SCHEMA = {
    "pid": pl.UInt32, "thread_id": pl.UInt32, "started_s": pl.Float64, "ended_s": pl.Float64,
}  # fmt: skip
SEEN = pl.DataFrame(
    {"pid": [1, 2], "seen_s": [80.0, 80.0]}, schema={"pid": pl.UInt32, "seen_s": pl.Float64}
)
Span = tuple[int, int, int, int | None]
spans = st.lists(
    st.tuples(
        st.integers(1, 2), st.integers(1, 3), st.integers(0, 90), st.none() | st.integers(0, 40)
    ),
    min_size=1,
    max_size=25,
)


def frame(rows: list[Span]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (pid, thread, float(start), None if length is None else float(start + length))
            for pid, thread, start, length in rows
        ],
        schema=SCHEMA,
        orient="row",
    )


@given(spans)
def test_against_counting_second_by_second(rows: list[Span]) -> None:
    """Whole-number spans, so that each second is either full or empty for a thread."""
    start_s, end_s = 10, 70
    busy = [
        len(
            {
                (pid, thread)
                for pid, thread, start, length in rows
                if start <= second < (80 if length is None else start + length)
            }
        )
        for second in range(start_s, end_s)
    ]
    mean, peak = compute_active_threads(frame(rows), SEEN, Window(float(start_s), float(end_s)))
    assert mean == pytest.approx(sum(busy) / len(busy))
    assert peak == max(busy)


def test_a_loop_with_many_handlers_is_one_thread() -> None:
    rows: list[Span] = [(1, 7, start, 10) for start in range(10)]
    mean, peak = compute_active_threads(frame(rows), SEEN, Window(0.0, 20.0))
    assert peak == 1
    assert mean == pytest.approx(19 / 20)


def test_a_dead_workers_handler_ended_with_it() -> None:
    seen = SEEN.with_columns(seen_s=pl.lit(5.0))
    mean, _ = compute_active_threads(frame([(1, 1, 0, None)]), seen, Window(0.0, 10.0))
    assert mean == pytest.approx(0.5)


def test_unknown_threads_are_not_counted_as_none() -> None:
    rows = pl.DataFrame([(1, None, 0.0, 1.0)], schema=SCHEMA, orient="row")
    assert compute_active_threads(rows, SEEN, Window(0.0, 1.0)) == (None, None)
