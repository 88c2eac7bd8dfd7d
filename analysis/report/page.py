"""report.html: all results of a run on one page that needs no network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import polars as pl
from pydantic import TypeAdapter

from analysis.answers.compose import RunAnswer
from analysis.measures.window import MeasuredCell, Window, open_cell
from analysis.report.answer_picture import render_answer
from analysis.report.cell_timeline import build_timeline
from analysis.report.comparison_tables import build_contrast_tables, build_overall_table
from analysis.report.conditions import build_machine_load_table, collect_conditions
from analysis.report.cpu_chart import draw_cpu_growth
from analysis.report.drawing import Chart, RenderedChart, render_chart, render_groups
from analysis.report.interactive_timeline import build_slices, draw_timeline
from analysis.report.latency_picture import draw_quantiles, draw_spreads
from analysis.report.latency_shape import LatencyDistribution, compute_distribution
from analysis.report.median_trials import list_compared, select_median_cells
from analysis.report.notes import describe_outcome, list_advice, write_headline, write_notes
from analysis.report.over_time import compute_time_series
from analysis.report.predicted_curves import PredictedCell, draw_predictions
from analysis.report.run_table import build_page_table, format_cell_name
from analysis.report.search_tables import build_shares_table, build_sweep_table, describe_capacity
from analysis.report.summary_charts import render_contrast_chart, render_sweep_chart
from analysis.report.table import Table
from analysis.report.templating import Page, create_html_environment, encode_script_json, load_vega
from analysis.report.time_picture import CellCourse, draw_over_time
from analysis.report.timeline import Timeline
from analysis.report.trials_table import build_narrow_trials_table, select_repeated
from analysis.summary.comparison import ensure_mapping
from analysis.summary.contrast import Contrast, compares_all, compute_overall
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary
from analysis.theory.formulas import Curve, build_users_grid, compute_curve
from analysis.theory.model import ServerModel
from analysis.theory.prediction import FAILING
from analysis.theory.scenario_model import build_server_model
from analysis.theory.steady import find_failure
from records.prediction import Calibration, name_prediction
from records.rundir import CellDir, RunDir
from scenarios.model import Scenario
from scenarios.units import Second

PARTS = ("lanes", "cpu")
SLICE_TURNS = 4
SHORTEST_SLICE_S, LONGEST_SLICE_S = 0.2, 8.0
FEWEST_USERS, USERS_BEYOND = 1, 4
"""USERS_BEYOND: the predicted curve reaches this many times the run's number of users."""


@dataclass(frozen=True, slots=True)
class ReportCell:
    """A cell's records, prepared for its pictures."""

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
    def course(self) -> CellCourse:
        measured = self.measured
        deaths = tuple(each.at_s for each in measured.record.deaths)
        points = self.through_time
        return CellCourse(self.name, points, measured.window, measured.end_s, deaths)

    @property
    def first_slice(self) -> Window:
        """A few delays of the endpoint, from the start of the window."""
        span = self.lanes.span
        wanted_s = SLICE_TURNS * (self.scenario.delay_s or SHORTEST_SLICE_S)
        longest_s = min(LONGEST_SLICE_S, max(span.length_s, SHORTEST_SLICE_S))
        return Window(span.start_s, span.start_s + min(max(wanted_s, SHORTEST_SLICE_S), longest_s))


@dataclass(frozen=True, slots=True)
class Section:
    """The page's section about a cell. `pictures`: by the part of the page, None if there is
    nothing to draw; `slices`: None without a timeline."""

    cell: ReportCell
    pictures: Mapping[str, RenderedChart | None]
    slices: Mapping[str, object] | None


def render_report(run: RunDir, summary: RunSummary, answer: RunAnswer) -> Page:
    """Render the page. The same records give the same text. Raises UserError for a record that is
    missing or damaged."""
    manifest = run.load_manifest()
    cells = [load_report_cell(*each) for each in select_median_cells(run, summary)]
    sections = [build_section(each) for each in cells]
    groups = dict(render_together(cells, manifest))
    contrast, swept = render_contrast_chart(summary.contrasts), render_sweep_chart(summary.sweeps)
    measured = [(each.summary, each.scenario) for each in cells]
    is_contrast = compares_all(summary.contrasts, [each.scenario for each in summary.cells])
    whole = swept or (contrast if is_contrast else None)
    compared = None if whole else render_answer(list_compared(measured, summary))
    pictures = {"contrast": contrast, "swept": swept, "compared": compared}
    context = {
        "title": run.path.name,
        "answer": answer,
        "first": whole or compared,
        "summary": summary,
        "sections": sections,
        "profiles": list_profiles(run),
        "conditions": collect_conditions(manifest),
        "slices": encode_script_json([each.slices for each in sections if each.slices]),
        "vega": load_vega(),
        "unmeasured": [each.name for each in cells if each.latency.quantiles.is_empty()],
        "meanwhile": build_machine_load_table({each.name: each.summary for each in cells}),
    }
    own = [each for one in sections for each in one.pictures.values()]
    files = (*pictures.values(), *chain.from_iterable(groups.values()), *own)
    template = create_html_environment().get_template("report.html")
    return template.render(context | groups | pictures | describe_results(summary)), files


def list_profiles(run: RunDir) -> list[str]:
    """List the cells that have a flame graph."""
    found = (each.path for each in run.list_saved_cells())
    return [each.name for each in found if (each / "profile.svg").is_file()]


def describe_results(summary: RunSummary) -> dict[str, object]:
    """Build the tables and sentences about the whole run."""
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


def load_report_cell(cell: CellDir, summary: CellSummary) -> ReportCell:
    """Raises UserError for a table that is missing or damaged."""
    measured = open_cell(cell.load_record(), cell)
    series = compute_time_series(cell, measured.end_s)
    latency = compute_distribution(measured)
    return ReportCell(measured, summary, build_timeline(measured), series, latency)


def compute_theory(found: ReportCell, manifest: Mapping[str, object]) -> Curve | None:
    """Compute the curve over users by formulas; None unless the closed loop was calibrated."""
    known = TypeAdapter(dict[str, Calibration]).validate_python(manifest.get("calibrations") or {})
    scenario, own = found.scenario, found.summary
    calibration = known.get(name_prediction(own.scenario, own.trial), known.get(own.scenario))
    predicted = own.predicted
    if calibration is None or predicted is None or predicted.ok_rps is None:
        return None
    if scenario.load.is_open:
        return None
    cores = ensure_mapping(manifest.get("environment")).get("cores")
    system = build_server_model(
        scenario,
        calibration.cpu_s,
        cores if isinstance(cores, int) else None,
        calibration.wait_s,
        calibration.samples,
    )
    users = build_users_grid(FEWEST_USERS, USERS_BEYOND * scenario.load.users)
    shown = [each for each in users if not gives_up(system, each, scenario.load.think_s)]
    return compute_curve(system, shown, scenario.load.think_s) if shown else None


def gives_up(model: ServerModel, users: int, think_s: Second) -> bool:
    """Return True if clients give up with this number of users; no formula covers that."""
    failure = find_failure(model.scale_cpu_to_users(users, think_s), users, think_s)
    return failure is not None and failure.limit == FAILING[1]


def render_together(
    cells: Sequence[ReportCell], manifest: Mapping[str, object]
) -> Iterator[tuple[str, list[RenderedChart]]]:
    """Yield the pictures that show all cells on one axis, by the part of the page."""
    grouped = [(each.scenario.group, each) for each in cells]
    courses = [(group, each.course) for group, each in grouped]
    yield "time", render_groups("time", courses, draw_over_time)
    known = [(group, each) for group, each in grouped if not each.latency.quantiles.is_empty()]
    curves = [(group, (each.name, each.latency.quantiles)) for group, each in known]
    yield "quantiles", render_groups("quantiles", curves, draw_quantiles)
    counted = [(group, each) for group, each in grouped if not each.latency.spread.is_empty()]
    spreads = [(group, (each.name, each.latency.spread)) for group, each in counted]
    yield "spreads", render_groups("latency", spreads, draw_spreads)
    predicted = [
        (group, PredictedCell(each.name, curve, each.summary))
        for group, each in grouped
        if (curve := compute_theory(each, manifest))
    ]
    yield "predictions", render_groups("prediction", predicted, draw_predictions)


def build_section(found: ReportCell) -> Section:
    drawn = draw_pictures(found)
    known = {part: render_chart(f"{found.identity}-{part}", chart) for part, chart in drawn}
    pictures = {part: known.get(part) for part in PARTS}
    if found.lanes.is_empty:
        return Section(found, pictures, None)
    slices = build_slices(found.lanes, found.name, found.identity, found.first_slice)
    return Section(found, pictures, slices)


def draw_pictures(found: ReportCell) -> Iterator[tuple[str, Chart]]:
    """Yield each picture with the part of the page that shows it."""
    lanes, shown = found.lanes, found.first_slice
    if not lanes.is_empty:
        inside = pl.col("end_s") > shown.start_s, pl.col("start_s") < shown.end_s
        yield "lanes", draw_timeline(lanes, found.name, shown, lanes.bars.filter(inside))
    if (growth := found.summary.cpu_growth) is not None and growth.by_library:
        yield "cpu", draw_cpu_growth(found.name, growth)
