"""Two runs side by side: ratios with their intervals, and all quantiles of both."""

from collections.abc import Mapping, Sequence

import polars as pl

from analysis.measures.window import open_cell
from analysis.report.comparison_tables import (
    build_scenario_table,
    write_comparison_answer,
    write_comparison_remarks,
)
from analysis.report.conditions import collect_conditions
from analysis.report.drawing import RenderedChart
from analysis.report.latency_shape import ANSWERED, compute_distribution
from analysis.report.median_trials import select_median_cells
from analysis.report.summary_charts import render_ratios_chart, render_run_quantiles
from analysis.report.templating import Page, create_html_environment
from analysis.summary.comparison import Comparison
from analysis.summary.run import RunSummary
from records.rundir import RunDir

Sides = Mapping[str, tuple[RunDir, RunSummary]]
"""A and B: the records and the summary of each run."""


def render_comparison(sides: Sides, comparison: Comparison, unlike: Sequence[str]) -> Page:
    """Render the page. Raises UserError for a record that is missing or damaged."""
    curves, compared = load_quantiles(sides), []
    pictures: list[RenderedChart | None] = []
    for each in comparison.scenarios:
        own = [(run, found) for run, scenario, found in curves if scenario == each.scenario]
        pair = render_ratios_chart(each), render_run_quantiles(each.scenario, own)
        compared.append((each, build_scenario_table(each), *pair))
        pictures += pair
    context = {
        "sides": sides,
        "conditions": {
            letter: collect_conditions(run.load_manifest()) for letter, (run, _) in sides.items()
        },
        "answer": write_comparison_answer(comparison),
        "compared": compared,
        "remarks": write_comparison_remarks(comparison),
        "unlike": unlike,
    }
    return create_html_environment().get_template("compare.html").render(context), pictures


def load_quantiles(sides: Sides) -> list[tuple[str, str, pl.DataFrame]]:
    """Return run (A or B), scenario and quantiles of the answered requests, from the trial with the
    median throughput. Each side has a completed cell, or it would not be compared."""
    found = []
    for letter, side in sides.items():
        for cell, summary in select_median_cells(*side):
            measured = open_cell(cell.load_record(), cell)
            if measured.window.length_s:
                curves = compute_distribution(measured).quantiles
                answered = curves.filter(pl.col("series") == ANSWERED)
                found.append((letter, summary.scenario, answered))
    return found
