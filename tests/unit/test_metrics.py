"""A metric is declared once: every view is derived from analysis.metrics."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, fields, is_dataclass, replace
from types import UnionType
from typing import cast, get_args, get_type_hints

import pytest

from analysis import metrics
from analysis.measures.instruments import Instruments
from analysis.metrics import METRICS, Metric, View, get_value, list_metrics
from analysis.report.comparison_tables import build_comparison_table, build_contrast_tables
from analysis.report.run_table import build_page_table, build_run_table, render_cell
from analysis.report.search_tables import build_sweep_table
from analysis.report.table import render_markdown
from analysis.report.trials_table import build_trials_table
from analysis.report.write import render_summary_json
from analysis.stats import formats
from analysis.summary.cell import FIGURES, compute_summary
from analysis.summary.comparison import compare_runs
from analysis.summary.contrast import Entrant
from analysis.summary.model import CellSummary, parse_cells
from analysis.summary.run import RunSettings, summarize_run
from analysis.summary.sweep import SweepSettings
from scenarios.sweep import SweepStep
from tests.unit.samples import healthy, record, tables

CELL = compute_summary(record(), tables(healthy()))


def list_numbers(summary: type = CellSummary) -> Iterator[str]:
    """The numbers of a cell in summary.json, dotted where nested."""
    hints = get_type_hints(summary)
    for each in fields(summary):
        hint = hints[each.name]
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if {int, float} & set(kinds):
            yield each.name
        for kind in kinds:
            if is_dataclass(kind):
                yield from (f"{each.name}.{inner}" for inner in list_numbers(cast(type, kind)))


def test_every_number_of_a_cell_is_declared_once_and_nothing_else_is() -> None:
    assert sorted(each.key for each in METRICS) == sorted(list_numbers())


def test_each_is_reached_by_its_key() -> None:
    for each in METRICS:
        get_value(CELL, each.key)
    assert get_value(CELL, "predicted.ok_rps") is None
    with pytest.raises(AttributeError):
        get_value(CELL, "p98_ms")


def test_what_a_view_begins_with_is_in_it() -> None:
    for view, first in metrics.FIRST.items():
        also = ("contrast", "ratio") if view.startswith("recorded") else ()
        assert [each.key for each in list_metrics(view, *also)][: len(first)] == list(first)


def test_a_prediction_is_a_metric_too() -> None:
    known = {each.key for each in METRICS}
    assert {each.predicted for each in METRICS if each.predicted} <= known


def test_a_metric_that_an_old_record_lacks_is_unknown() -> None:
    content = json.loads(json.dumps([asdict(CELL)]))
    del content[0]["p999_ms"], content[0]["cpu_ms_per_request"]
    (old,) = parse_cells(content)
    assert old == replace(CELL, p999_ms=None, cpu_ms_per_request=None)
    assert "–" in " ".join(render_cell(replace(old, p99_ms=None)).split())
    with pytest.raises(ValueError, match="requests"):
        parse_cells([{key: each for key, each in content[0].items() if key != "requests"}])


VIEWS: tuple[View, ...] = (
    "table", "page", "trials", "intervals", "compare", "sweep", "contrast", "ratio",
    "recorded contrast",
)  # fmt: skip


def test_a_line_is_all_that_a_view_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A metric that no view had before: every view shows it, and the records have it."""
    metric = Metric("pool_total", "zebra", "", "lower", formats.whole, VIEWS)
    monkeypatch.setattr(metrics, "METRICS", (*METRICS, metric))
    cells = [
        replace(CELL, scenario=name, trial=n, pool_total=40, ok_rps=5.0, verdicts=())
        for name in ("a", "b")
        for n in (1, 2)
    ]
    asked = RunSettings(
        "study run", ("a", "b"), 2, (),
        entrants=(Entrant("s", "one", "a"), Entrant("s", "two", "b")),
        sweep=SweepSettings("pool", (SweepStep("a", "x", 1.0), SweepStep("b", "x", 2.0))),
    )  # fmt: skip
    summary = summarize_run(cells, asked)
    contrast, comparison = summary.contrasts[0], compare_runs(cells, cells)
    tables = (
        build_run_table(cells), build_page_table(cells), build_trials_table(summary.scenarios),
        build_sweep_table(summary.sweeps[0], ""), *build_contrast_tables(contrast, narrow=False),
    )  # fmt: skip
    for table in tables:
        assert any(each.heading.startswith("zebra") for each in table.columns)
        assert "zebra" in render_markdown(table)
    assert "pool_total" in {row.name for row in build_comparison_table(comparison).rows}
    written = json.loads(render_summary_json(summary))
    assert written["scenarios"][0]["figures"]["pool_total"]["median"] == 40
    assert written["sweeps"][0]["points"][0]["pool_total"] == 40
    assert written["contrasts"][0]["results"][1]["figures"]["pool_total"] == 40


def test_each_published_figure_comes_from_one_measure() -> None:
    """Otherwise one of two figures of the same name is lost without a word."""
    measures = {cls for cls in (*CellSummary.__mro__, Instruments) if is_dataclass(cls)}
    names = Counter(name for cls in measures for name in vars(cls)["__annotations__"])
    assert [name for name, count in names.items() if count > 1 and name in FIGURES] == []
