"""The notes below a run's table in a terminal: no repetition, and nothing missing."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measures.cpu_attribution import CodeCpu
from analysis.measures.cpu_profile import CpuGrowth
from analysis.report.cell_notes import (
    MOST_MESSAGES,
    MOST_NAMES,
    list_observations,
    render_notes,
)
from analysis.report.cpu_notes import NO_CAUSE
from analysis.report.notes import write_notes
from analysis.report.table import WIDTH
from analysis.report.write import load_run_summary
from analysis.stats.proportions import Interval
from analysis.summary.model import CellSummary
from analysis.verdicts.base import Severity, VerdictRecord
from records.rundir import open_run
from tests.golden.pins import RUNS

CODES: dict[str, Severity] = {"BROKEN": "error", "BUSY": "warning", "SHORT": "info"}


@cache
def load_cell() -> CellSummary:
    """A recorded one, without verdicts."""
    cells = load_run_summary(open_run(RUNS["sample"])).cells
    return replace(cells[0], verdicts=())


def make_cells(*codes: set[str]) -> list[CellSummary]:
    """One cell per set, whose messages differ between cells."""
    return [
        replace(
            load_cell(),
            scenario=f"cell-{place}",
            verdicts=tuple(
                VerdictRecord(code, CODES[code], f"{code} by {place}.5 %", f"cure of {code}")
                for code in sorted(found)
            ),
        )
        for place, found in enumerate(codes, start=1)
    ]


@given(st.lists(st.sets(st.sampled_from(sorted(CODES))), min_size=1, max_size=6))
def test_each_verdict_is_said_once_with_its_cells_and_its_cure(found: list[set[str]]) -> None:
    cells = make_cells(*found)
    lines = list(render_notes(cells))
    text = "\n".join(lines)
    assert all(len(line) <= WIDTH for line in lines)
    for code, severity in CODES.items():
        having = [cell.scenario for cell in cells if code in {v.code for v in cell.verdicts}]
        heads = [line for line in lines if line.startswith(f"{code}: ")]
        assert len(heads) == bool(having)
        assert text.count(f"cure of {code}") == (bool(having) and severity != "info")
        assert text.count(f"{code} by ") == (len(having) if len(having) <= MOST_MESSAGES else 1)
        example = "; for example:" if len(having) > MOST_MESSAGES else ""
        if len(having) == len(cells) > 1:
            assert heads == [f"{code}: all {len(cells)} cells{example}"]
        elif 0 < len(having) <= MOST_NAMES:
            assert heads == [f"{code}: {', '.join(having)}{example}"]


def test_the_gravest_comes_first() -> None:
    lines = list(render_notes(make_cells({"BUSY", "SHORT"}, {"BROKEN"})))
    heads = [line.partition(":")[0] for line in lines if line.partition(":")[0] in CODES]
    assert heads == ["BROKEN", "BUSY", "SHORT"]


@pytest.mark.parametrize(("having", "said"), [(5, "all 5 cells"), (4, "4 of 5 cells")])
def test_many_cells_are_counted_and_the_example_is_named(having: int, said: str) -> None:
    cells = make_cells(*[{"BUSY"}] * having, *[set[str]()] * (5 - having))
    lines = list(render_notes(cells))
    assert lines[lines.index(f"BUSY: {said}; for example:") + 1] == "  cell-1: BUSY by 1.5 %"


def test_an_unknown_cause_is_left_to_the_page() -> None:
    share = Interval(0.4, 0.5, 0.6)
    one = CodeCpu(name="httpx", alone_ms=1.0, load_ms=2.0, load_share=share, is_raised=True)
    grown = replace(load_cell(), cpu_growth=CpuGrowth(alone_ms=1.0, load_ms=2.0, by_library=(one,)))
    said = "CPU per request grew from 1.00 ms alone to 2.00 ms under load"
    assert f"{said}{NO_CAUSE}" in write_notes(grown)
    assert said in list_observations(grown)


def test_what_several_trials_repeat_is_said_of_the_first() -> None:
    first = replace(load_cell(), warm_up_cut_s=2.0)
    lines = list(render_notes([first, replace(first, trial=2), replace(first, trial=3)]))
    assert f"{first.scenario} (trial 1 of 3)" in lines
    assert sum("warm-up" in line for line in lines) == 1
