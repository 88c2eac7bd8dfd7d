"""A generator or a machine that was paused, and requests of other programs."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.pauses import compute_pauses, measure_union
from analysis.measures.window import Window
from analysis.summary.cell import compute_summary
from records.pauses import InstrumentPause as Pause
from records.pauses import find_gaps, find_pauses
from tests.unit.samples import healthy, record, tables
from tests.unit.test_validity import codes

WINDOW = Window(10.0, 18.0)
SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)))


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ((), (0.0, 0.0)),
        ((Pause("load", 11.0, 14.0),), (0.0, 3.0)),
        (
            (Pause("load", 11.0, 14.0), Pause("load", 12.0, 15.0)),
            (0.0, 4.0),
        ),  # two processes
        ((Pause("load", 2.0, 9.0),), (0.0, 0.0)),  # before the window
        ((Pause("load", 8.0, 12.0),), (0.0, 2.0)),
        ((Pause("runner", 11.0, 14.0),), (0.0, 0.0)),  # it only looks
        ((Pause("runner", 11.0, 14.0), Pause("load", 11.2, 14.1)), (2.8, 0.0)),
        ((Pause("machine", 11.0, 16.0),), (5.0, 0.0)),
    ],
)
def test_who_stood_still(pauses: tuple[Pause, ...], expected: tuple[float, float]) -> None:
    assert list(compute_pauses(pauses, WINDOW)) == pytest.approx(list(expected))


@given(SPANS)
def test_a_union_counts_each_second_once(spans: list[tuple[int, int]]) -> None:
    covered = {second for begin, end in spans for second in range(begin, end)}
    assert measure_union(spans) == len(covered)


def test_one_that_computed_did_not_stand_still() -> None:
    assert find_gaps([(0.0, 0.0), (0.25, 0.1), (3.0, 0.2), (3.25, 0.3)]) == [(0.25, 3.0)]
    assert find_gaps([(0.0, 0.0), (3.0, 2.0)]) == []
    assert find_gaps([(0.0, 0.0), (0.9, 0.0)]) == []


def test_a_machine_that_slept() -> None:
    """time.monotonic() leaves the sleep out: two samples are 0.5 s apart, and ten minutes."""
    rows = [(0.0, "suspended", 7.0), (0.5, "suspended", 7.0), (1.0, "suspended", 607.0)]
    machine = pl.DataFrame(rows, schema=("at_s", "role", "cpu_s"), orient="row")
    assert find_pauses([], machine, 0.0) == (Pause("machine", 0.5, 601.0),)


@pytest.mark.parametrize(
    ("pauses", "expected"),
    [
        ((Pause("load", 5.0, 8.0),), ["GENERATOR_PAUSED"]),
        (
            (Pause("load", 5.0, 8.0), Pause("runner", 5.0, 8.0)),
            ["MACHINE_PAUSED"],
        ),
    ],
)
def test_a_pause_makes_the_figures_doubtful(pauses: tuple[Pause, ...], expected: list[str]) -> None:
    cell = compute_summary(replace(record(), pauses=pauses), tables(healthy()))
    assert codes(cell) == expected
    assert "3.0 s of the window" in cell.verdicts[0].message


@pytest.mark.parametrize(("number", "severity"), [(0, None), (100, "error")])
def test_requests_of_other_programs(number: int, severity: str | None) -> None:
    found = tables(healthy())
    of_others = found.handlers.head(1).with_columns(
        request_id=pl.lit(None, pl.UInt64), thread_kind=pl.lit("anyio-worker"), arrived_s=5.0,
        started_s=5.0, ended_s=5.5,
    )  # fmt: skip
    handlers = pl.concat([found.handlers, *[of_others] * number])
    probe = found.probe.with_columns(pool_total=40.0)
    cell = compute_summary(record(), replace(found, handlers=handlers, probe=probe))
    assert codes(cell) == (["OTHER_CLIENTS"] if severity else [])
    assert [each.severity for each in cell.verdicts] == [severity] * bool(severity)
    if number == 100:  # half a second each, of 40 threads in ten seconds
        assert "100 requests to the server in the window" in cell.verdicts[0].message
        assert "12 % of the pool's thread time" in cell.verdicts[0].message
