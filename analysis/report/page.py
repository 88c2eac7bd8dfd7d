"""report.html: everything a run has to show, on one page that needs no network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from statistics import median_low

import polars as pl
from pydantic import TypeAdapter

from analysis.measures.window import MeasuredCell, Window, open_cell
from analysis.report import charts
from analysis.report.cell_timeline import build_timeline
from analysis.report.comparison_tables import build_contrast_tables, build_overall_table
from analysis.report.conditions import build_machine_load_table, collect_conditions
from analysis.report.cpu_chart import draw_cpu_growth
from analysis.report.drawing import Chart, RenderedChart, render_chart
from analysis.report.interactive_timeline import build_slices, draw_timeline
from analysis.report.latency_shape import LatencyDistribution, compute_distribution
from analysis.report.notes import describe_outcome, list_advice, write_headline, write_notes
from analysis.report.over_time import compute_time_series
from analysis.report.predicted_curves import draw_prediction
from analysis.report.run_table import build_page_table, format_cell_name
from analysis.report.search_tables import build_shares_table, build_sweep_table, describe_capacity
from analysis.report.summary_charts import render_contrast_chart, render_sweep_chart
from analysis.report.table import Table
from analysis.report.templating import Page, create_html_environment, encode_script_json, load_vega
from analysis.report.timeline import Timeline
from analysis.report.trials_table import build_narrow_trials_table, select_repeated
from analysis.summary.comparison import ensure_mapping
from analysis.summary.contrast import Contrast, compute_overall
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary
from analysis.theory.formulas import Curve, build_users_grid, compute_curve
from analysis.theory.model import build_server_model
from records.prediction import Calibration
from records.rundir import CellDir, RunDir
from scenarios.model import Scenario

PARTS = ("lanes", "time", "latency", "prediction", "cpu")
SLICE_TURNS = 4
SHORTEST_SLICE_S, LONGEST_SLICE_S = 0.2, 8.0
FEWEST_USERS, USERS_BEYOND = 1, 4
"""The curve over users goes so many times further than the run did."""


@dataclass(frozen=True, slots=True)
class ReportCell:
    """The rows of a cell, made into what its pictures need."""

    measured: MeasuredCell
    summary: CellSummary
    lanes: Timeline
    through_time: pl.DataFrame
    latency: LatencyDistribution

    @property
    def scenario(self) -> Scenario:
        return self.measured.record.scenario

    @property
    def name(self) -> str:
        return format_cell_name(self.summary)

    @property
    def identity(self) -> str:
        return f"{self.summary.scenario}-{self.summary.trial}"

    @property
    def answer(self) -> str:
        return write_headline(self.summary, self.scenario)

    @property
    def first_slice(self) -> Window:
        """A few turns of the endpoint, from where the window opens."""
        span = self.lanes.span
        wanted_s = SLICE_TURNS * (self.scenario.delay_s or SHORTEST_SLICE_S)
        longest_s = min(LONGEST_SLICE_S, max(span.length_s, SHORTEST_SLICE_S))
        return Window(span.start_s, span.start_s + min(max(wanted_s, SHORTEST_SLICE_S), longest_s))


@dataclass(frozen=True, slots=True)
class Section:
    """What the page shows of a cell. `pictures`: by the part of the page, None where there is
    nothing to draw; so are `slices`, without lanes."""

    cell: ReportCell
    pictures: Mapping[str, RenderedChart | None]
    slices: Mapping[str, object] | None


def render_report(run: RunDir, summary: RunSummary) -> Page:
    """The same text for the same records. Raises UserError where one is missing or damaged."""
    manifest = run.load_manifest()
    cells = [load_report_cell(*each) for each in select_median_cells(run, summary)]
    highest = find_panel_maxima(cells) if cells else {}
    sections = [build_section(each, highest, compute_theory(each, manifest)) for each in cells]
    pictures = {
        "together": render_quantiles_chart(cells),
        "contrast": render_contrast_chart(summary.contrasts),
        "swept": render_sweep_chart(summary.sweeps),
    }
    context = {
        "title": run.path.name,
        "summary": summary,
        "sections": sections,
        "profiles": [
            each.path.name
            for each in run.list_saved_cells()
            if (each.path / "profile.svg").is_file()
        ],
        "conditions": collect_conditions(manifest),
        "slices": encode_script_json([each.slices for each in sections if each.slices]),
        "vega": load_vega(),
        "unmeasured": [each.name for each in cells if each.latency.quantiles.is_empty()],
        "meanwhile": build_machine_load_table({each.name: each.summary for each in cells}),
    }
    files = (*pictures.values(), *(each for one in sections for each in one.pictures.values()))
    template = create_html_environment().get_template("report.html")
    return template.render(context | pictures | describe_results(summary)), files


def describe_results(summary: RunSummary) -> dict[str, object]:
    """Tables and sentences of the run as a whole."""
    repeated, searched = select_repeated(summary.scenarios), summary.knee is not None
    return {
        "table": build_page_table(summary.cells),
        "notes": [
            (format_cell_name(cell), write_notes(cell), list_advice(cell)) for cell in summary.cells
        ],
        "outcomes": [(each.met, describe_outcome(each)) for each in summary.outcomes],
        "trials": build_narrow_trials_table(repeated) if repeated else None,
        "capacity": describe_capacity(summary.cells) if searched else [],
        "shares": build_shares_table(summary.cells) if searched else None,
        "contrast_tables": build_page_contrasts(summary.contrasts),
        "sweep_tables": [
            build_sweep_table(each, f"{each.scenario} over --{each.setting}")
            for each in summary.sweeps
        ],
    }


def build_page_contrasts(found: Sequence[Contrast]) -> list[Table]:
    tables = []
    if overall := compute_overall(found):
        title = f"Over all {overall[0].subjects} (geometric means of the ratios)"
        tables.append(build_overall_table(overall, title))
    for each in found:
        tables += build_contrast_tables(each, narrow=False, corner="ratios")
    return tables


def select_median_cells(run: RunDir, summary: RunSummary) -> list[tuple[CellDir, CellSummary]]:
    """Of each scenario the trial whose throughput is the median."""
    by_scenario = groupby(summary.cells, attrgetter("scenario"))
    chosen = [select_median_trial(list(trials)) for _, trials in by_scenario]
    return [(run.open_cell(f"{each.scenario}.{each.trial}"), each) for each in chosen]


def select_median_trial(trials: Sequence[CellSummary]) -> CellSummary:
    """Among those that ran to their end, if there are any."""
    trials = [each for each in trials if not each.interrupted] or trials
    middle = median_low([each.ok_rps or 0.0 for each in trials])
    return next(each for each in trials if (each.ok_rps or 0.0) == middle)


def load_report_cell(cell: CellDir, summary: CellSummary) -> ReportCell:
    """Raises UserError for a table that is missing or damaged."""
    measured = open_cell(cell.load_record(), cell)
    series = compute_time_series(cell, measured.end_s)
    latency = compute_distribution(measured)
    return ReportCell(measured, summary, build_timeline(measured), series, latency)


def find_panel_maxima(cells: Sequence[ReportCell]) -> dict[str, float]:
    """Of each panel over time: those of all cells are on one scale."""
    points = pl.concat(each.through_time for each in cells)
    return dict(points.group_by("panel").agg(pl.col("value").max().fill_null(0.0)).iter_rows())


def compute_theory(found: ReportCell, manifest: Mapping[str, object]) -> Curve | None:
    """Over users, by formulas; of a closed loop that was calibrated."""
    known = TypeAdapter(dict[str, Calibration]).validate_python(manifest.get("calibrations") or {})
    scenario, calibration = found.scenario, known.get(found.summary.scenario)
    predicted = found.summary.predicted
    if calibration is None or predicted is None or predicted.ok_rps is None:
        return None
    if scenario.load.is_open:
        return None
    cores = ensure_mapping(manifest.get("environment")).get("cores")
    system = build_server_model(
        scenario,
        calibration.cpu_s,
        cores if isinstance(cores, int) else None,
        samples=calibration.samples,
    )
    users = build_users_grid(FEWEST_USERS, USERS_BEYOND * scenario.load.users)
    return compute_curve(system, users, scenario.load.think_s)


def build_section(found: ReportCell, highest: Mapping[str, float], theory: Curve | None) -> Section:
    drawn = draw_pictures(found, highest, theory)
    known = {part: render_chart(f"{found.identity}-{part}", chart) for part, chart in drawn}
    pictures = {part: known.get(part) for part in PARTS}
    lanes = found.lanes
    slices = None if lanes.is_empty else build_slices(lanes, found.identity, found.first_slice)
    return Section(found, pictures, slices)


def draw_pictures(
    found: ReportCell, highest: Mapping[str, float], theory: Curve | None
) -> Iterator[tuple[str, Chart]]:
    """Each with the part of the page that shows it."""
    lanes, shown, latency = found.lanes, found.first_slice, found.latency
    if not lanes.is_empty:
        inside = pl.col("end_s") > shown.start_s, pl.col("start_s") < shown.end_s
        yield "lanes", draw_timeline(lanes, shown, lanes.bars.filter(inside))
    yield "time", charts.draw_over_time(found.through_time, highest, found.measured)
    if not (latency.quantiles.is_empty() or latency.spread.is_empty()):
        yield "latency", charts.draw_latency(latency)
    if theory is not None:
        yield "prediction", draw_prediction(theory, found.summary)
    if (growth := found.summary.cpu_growth) is not None and growth.by_library:
        yield "cpu", draw_cpu_growth(growth)


def render_quantiles_chart(cells: Sequence[ReportCell]) -> RenderedChart | None:
    """None of fewer than two."""
    curves = {each.name: each.latency.quantiles for each in cells}
    found = {name: curve for name, curve in curves.items() if not curve.is_empty()}
    if len(found) < 2:
        return None
    return render_chart("quantiles", charts.draw_all_quantiles(found))
