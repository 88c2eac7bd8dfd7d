"""Metrics over time: nothing is added and nothing is lost."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.over_time import (
    HEARTBEAT,
    IN_FLIGHT,
    LENGTHS,
    SHORTEST_RATE_S,
    STEPS,
    THREAD_COUNT,
    THROUGHPUT,
    choose_step,
    compute_time_series,
)
from tests.unit.samples import Sent, healthy, tables

END_S = 13.0


def series(sent: list[Sent], panel: str) -> pl.DataFrame:
    return compute_time_series(tables(sent), END_S).filter(pl.col("panel") == panel)


@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0.001, 0.9), st.booleans()), min_size=1))
def test_every_answer_is_in_the_throughput_once(drawn: list[tuple[float, float, bool]]) -> None:
    sent: list[Sent] = [(at, at + took, "bad" if bad else None) for at, took, bad in drawn]
    found = compute_time_series(tables(sent), END_S)
    rates = found.filter(pl.col("panel") == THROUGHPUT)
    step_s = max(choose_step(END_S), SHORTEST_RATE_S)
    counted = rates.group_by("series").agg(pl.col("value").sum() * step_s)
    expected = {"good": sum(not bad for *_, bad in drawn), "failed": sum(b for *_, b in drawn)}
    assert dict(counted.iter_rows()) == pytest.approx(expected)


def test_in_flight_is_what_was_sent_and_not_answered() -> None:
    values = series([(1.0, 3.0, None), (2.0, None, None)], IN_FLIGHT)
    at = dict(values.select("at_s", "value").iter_rows())
    assert at[min(at)] == 0
    assert max(at.values()) == 2
    assert at[max(at)] == 1  # the unanswered one


def test_samples_give_the_most_in_each_step_over_all_workers_together() -> None:
    plain = tables(healthy())
    second = plain.probe.with_columns(pid=pl.lit(2, pl.UInt32), heartbeat_age_s=pl.lit(0.5))
    both = replace(plain, probe=pl.concat([plain.probe, second]))
    found = compute_time_series(both, END_S)
    loops = found.filter(pl.col("panel") == THREAD_COUNT, pl.col("series") == "loop")
    assert set(loops["value"]) == {2.0}
    ages = found.filter(pl.col("panel") == HEARTBEAT)
    assert set(ages["value"]) == {500.0}  # ms, of the loop that is blocked the longest


def test_a_worker_that_replaces_another_is_not_counted_beside_it() -> None:
    plain = tables(healthy())
    first = plain.probe.filter(pl.col("at_s") < 6.0)
    second = plain.probe.filter(pl.col("at_s") >= 6.2).with_columns(pid=pl.lit(2, pl.UInt32))
    found = compute_time_series(replace(plain, probe=pl.concat([first, second])), END_S)
    loops = found.filter(pl.col("panel") == THREAD_COUNT, pl.col("series") == "loop")
    assert loops["value"].drop_nulls().max() == 1


def test_nothing_is_drawn_where_nothing_was_sampled() -> None:
    plain = tables(healthy())
    silent = plain.probe.filter(~pl.col("at_s").is_between(4.0, 8.0))
    found = compute_time_series(replace(plain, probe=silent), END_S)
    gap = found.filter(pl.col("panel") == HEARTBEAT, pl.col("at_s").is_between(4.2, 7.8))
    assert gap.height > 10
    assert gap["value"].null_count() == gap.height


@given(st.floats(0.01, 5000))
def test_a_step_is_round_and_there_are_not_too_many(length_s: float) -> None:
    step_s = choose_step(length_s)
    assert step_s in LENGTHS
    assert length_s / step_s <= STEPS or step_s == LENGTHS[-1]
