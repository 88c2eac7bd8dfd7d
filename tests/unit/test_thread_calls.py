"""The number of busy pool threads, from the calls that requests offloaded."""

from dataclasses import replace

import polars as pl
import pytest

from analysis.measures.thread_calls import MOST_CALLS, PoolUse, measure_pool_use
from analysis.measures.window import open_cell
from records.rows import THREAD_CALLS, conform_to_schema
from tests.unit.samples import healthy, record, tables

Call = tuple[int, str, float, float, float]
"""Thread, thread kind, request time, start and end."""


def measure(calls: list[Call], of_visit: int | None = None, executors: int = 0) -> PoolUse:
    """Measure in a window from 2 to 12 s."""
    found = tables(healthy())
    rows = [
        {
            "pid": 1, "visit": place if of_visit is None else of_visit, "thread_id": thread,
            "thread_kind": kind, "asked_s": asked_s, "began_s": began_s, "ended_s": ended_s,
        }
        for place, (thread, kind, asked_s, began_s, ended_s) in enumerate(calls)
    ]  # fmt: skip
    table = conform_to_schema(pl.DataFrame(rows), THREAD_CALLS)
    probe = found.probe.with_columns(threads_executor=pl.lit(executors, pl.UInt32))
    return measure_pool_use(open_cell(record(), replace(found, thread_calls=table, probe=probe)))


def test_threads_are_counted_while_they_run_a_call() -> None:
    """Two of them for five of the window's ten seconds, one for all ten."""
    calls: list[Call] = [
        (1, "anyio-worker", 0.0, 0.0, 20.0),
        (2, "anyio-worker", 2.0, 2.0, 7.0),
        (3, "anyio-worker", 7.0, 7.0, 12.0),
    ]
    found = measure(calls)
    assert found.pool_busy_mean == pytest.approx(2.0)
    assert found.executor is None


def test_an_executor_is_apart_from_the_pool() -> None:
    calls: list[Call] = [(1, "executor", 1.0, 3.0, 8.0), (2, "anyio-worker", 2.0, 2.0, 3.0)]
    found = measure(calls, executors=4)
    assert found.pool_busy_mean == pytest.approx(0.1)
    assert found.executor is not None
    assert found.executor.threads == 4
    assert found.executor.busy_mean == pytest.approx(0.5)
    assert found.executor.wait_median_ms == pytest.approx(2000.0)


def test_where_calls_may_be_missing_nothing_is_said() -> None:
    calls: list[Call] = [(1, "anyio-worker", 3.0, 3.0 + n, 3.5 + n) for n in range(MOST_CALLS)]
    assert measure(calls, of_visit=7) == PoolUse()
    assert measure(calls[1:], of_visit=7) != PoolUse()


def test_an_older_record_has_none() -> None:
    assert measure_pool_use(open_cell(record(), tables(healthy()))) == PoolUse()
