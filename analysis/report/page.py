"""report.html: everything a run has to show, on one page that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median_low

import polars as pl

from analysis.report import charts
from analysis.report.capacity_table import build_shares_table, describe_capacity
from analysis.report.charts import CaptionedChart
from analysis.report.conditions import build_machine_load_table, collect_conditions
from analysis.report.contrast_chart import render_contrast_chart
from analysis.report.contrast_tables import build_contrast_tables, build_overall_table
from analysis.report.drawing import RenderedChart, render_chart
from analysis.report.notes import describe_outcome, write_notes
from analysis.report.run_table import build_page_table, format_cell_name
from analysis.report.sections import ReportCell, build_section, load_report_cell, read_calibrations
from analysis.report.sweep_chart import render_sweep_chart
from analysis.report.sweep_table import build_sweep_table
from analysis.report.table import Table
from analysis.report.templating import create_html_environment
from analysis.report.trials_table import build_narrow_trials_table, select_repeated
from analysis.report.vega import encode_script_json, load_vega
from analysis.summary.comparison import ensure_mapping
from analysis.summary.contrast import Contrast, compute_overall
from analysis.summary.model import CellSummary
from analysis.summary.run import RunSummary
from records.rundir import CellDir, RunDir


@dataclass(frozen=True, slots=True)
class ReportPage:
    """The page, and the pictures in it, each of which is a file too."""

    html: str
    pictures: tuple[RenderedChart, ...]


def render_report(run: RunDir, summary: RunSummary) -> ReportPage:
    """The same text for the same records. Raises UserError where one is missing or damaged."""
    manifest = run.load_manifest()
    shown = [load_report_cell(cell, of_cell) for cell, of_cell in select_median_cells(run, summary)]
    calibrations, cores = read_calibrations(manifest), read_cores(manifest)
    highest = find_panel_maxima(shown)
    sections = [
        build_section(each, highest, calibrations.get(each.summary.scenario), cores)
        for each in shown
    ]
    together = render_quantiles_chart(shown)
    contrast = render_contrast_chart(summary.contrasts)
    repeated, searched = select_repeated(summary.scenarios), summary.knee is not None
    swept = render_sweep_chart(summary.sweeps)
    html = (
        create_html_environment()
        .get_template("report.html")
        .render(
            title=run.path.name,
            summary=summary,
            sections=sections,
            table=build_page_table(summary.cells),
            notes={format_cell_name(cell): write_notes(cell) for cell in summary.cells},
            name_of=format_cell_name,
            outcomes=[(each.met, describe_outcome(each)) for each in summary.outcomes],
            trials=build_narrow_trials_table(repeated) if repeated else None,
            capacity=describe_capacity(summary.cells) if searched else [],
            shares=build_shares_table(summary.cells) if searched else None,
            meanwhile=build_machine_load_table({each.name: each.cell for each in sections}),
            together=together,
            contrast=contrast,
            swept=swept,
            contrast_tables=build_page_contrasts(summary.contrasts),
            sweep_tables=[
                build_sweep_table(each, f"{each.scenario} over --{each.setting}")
                for each in summary.sweeps
            ],
            profiles=list_profiles(run),
            conditions=collect_conditions(manifest),
            slices=encode_script_json([asdict(each.slices) for each in sections if each.slices]),
            vega=load_vega(),
        )
    )
    files = [each for one in sections for each in one.pictures]
    first = (together, contrast, swept)
    return ReportPage(html, (*(each for each in first if each is not None), *files))


def build_page_contrasts(found: Sequence[Contrast]) -> list[Table]:
    tables = []
    if overall := compute_overall(found):
        title = f"Over all {overall[0].subjects} (geometric means of the ratios)"
        tables.append(build_overall_table(overall, title))
    for each in found:
        tables += build_contrast_tables(each, narrow=False, corner="ratios")
    return tables


def list_profiles(run: RunDir) -> list[tuple[str, str]]:
    """Name and path, from the page, of each flame graph."""
    return [
        (cell.path.name, f"cells/{cell.path.name}/profile.svg")
        for cell in run.list_saved_cells()
        if (cell.path / "profile.svg").is_file()
    ]


def select_median_cells(run: RunDir, summary: RunSummary) -> list[tuple[CellDir, CellSummary]]:
    """Of each scenario the trial whose throughput is the median."""
    by_name: dict[str, list[CellSummary]] = {}
    for cell in summary.cells:
        by_name.setdefault(cell.scenario, []).append(cell)
    chosen = [select_median_trial(trials) for trials in by_name.values()]
    return [(run.open_cell(f"{each.scenario}.{each.trial}"), each) for each in chosen]


def select_median_trial(trials: Sequence[CellSummary]) -> CellSummary:
    """Among those that ran to their end, if there are any."""
    trials = [each for each in trials if not each.interrupted] or trials
    middle = median_low([each.ok_rps or 0.0 for each in trials])
    return next(each for each in trials if (each.ok_rps or 0.0) == middle)


def read_cores(manifest: Mapping[str, object]) -> int | None:
    cores = ensure_mapping(manifest.get("environment")).get("cores")
    return cores if isinstance(cores, int) else None


def find_panel_maxima(shown: Sequence[ReportCell]) -> dict[str, float]:
    if not shown:
        return {}
    points = pl.concat(each.through_time.points for each in shown)
    most = points.group_by("panel").agg(pl.col("value").max().fill_null(0.0))
    return {str(panel): float(value) for panel, value in most.iter_rows()}


def render_quantiles_chart(shown: Sequence[ReportCell]) -> RenderedChart | None:
    found = [
        (format_cell_name(each.summary), each.latency.quantiles)
        for each in shown
        if not each.latency.quantiles.is_empty()
    ]
    if len(found) < 2:
        return None
    return render_chart(
        CaptionedChart(
            "quantiles",
            "How long it took, all together",
            "All quantiles of the latency of every scenario; dashed: with the requests that nobody "
            "answered.",
            charts.draw_all_quantiles(found),
        )
    )
