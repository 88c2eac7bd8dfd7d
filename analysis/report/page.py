"""report.html: everything a run has to show, on one page that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median_low

import polars as pl

from analysis import sweep
from analysis.advice import advice
from analysis.capacity import capacity_lines
from analysis.compare import mapping
from analysis.contrast_tables import ratio_or_unknown
from analysis.expectations import outcome_line
from analysis.report import pictures
from analysis.report.columns import FIGURES, Mark, marks
from analysis.report.conditions import conditions
from analysis.report.drawing import Drawn, drawn
from analysis.report.environment import templates
from analysis.report.pictures import Picture
from analysis.report.sections import Seen, calibrations_of, section, seen
from analysis.report.side_by_side import HEADINGS, RATIO_HEADINGS, side_by_side
from analysis.report.sweep_picture import sweep_picture
from analysis.report.vega import script_json, vega
from analysis.run_summary import RunSummary
from analysis.summary import CellSummary
from analysis.tables import name_of, notes
from analysis.trials import trial_lines
from records.rundir import CellDir, RunDir


@dataclass(frozen=True, slots=True)
class TableCell:
    text: str
    theory: str
    mark: Mark | None


@dataclass(frozen=True, slots=True)
class Page:
    """The page, and the pictures in it, each of which is a file too."""

    html: str
    pictures: tuple[Drawn, ...]


def page(run: RunDir, summary: RunSummary) -> Page:
    """The same text for the same records. Raises Problem where one is missing or damaged."""
    manifest = run.manifest()
    shown = [seen(cell, of_cell) for cell, of_cell in shown_cells(run, summary)]
    calibrations, cores = calibrations_of(manifest), cores_of(manifest)
    highest = highest_of(shown)
    sections = [
        section(each, highest, calibrations.get(each.summary.scenario), cores) for each in shown
    ]
    together = quantiles_picture(shown)
    contrast = side_by_side(summary.contrasts)
    swept = sweep_picture(summary.sweeps)
    html = (
        templates()
        .get_template("report.html")
        .render(
            title=run.path.name,
            summary=summary,
            sections=sections,
            figures=FIGURES,
            table=table_of(summary.cells),
            notes={name_of(cell): notes(cell) for cell in summary.cells},
            name_of=name_of,
            advice=advice,
            outcomes=[(each.met, outcome_line(each)) for each in summary.outcomes],
            trials=trial_lines(summary.scenarios),
            capacity=capacity_lines(summary.cells) if summary.knee is not None else [],
            together=together,
            contrast=contrast,
            swept=swept,
            sweep_lines=sweep.lines(summary.sweeps),
            headings=HEADINGS,
            ratio_headings=RATIO_HEADINGS,
            ratio_or_unknown=ratio_or_unknown,
            profiles=profiles_of(run),
            conditions=conditions(manifest),
            slices=script_json([asdict(each.slices) for each in sections if each.slices]),
            vega=vega(),
        )
    )
    files = [each for one in sections for each in one.pictures]
    first = (together, contrast.picture if contrast else None, swept)
    return Page(html, (*(each for each in first if each is not None), *files))


def profiles_of(run: RunDir) -> list[tuple[str, str]]:
    """Name and path, from the page, of each flame graph."""
    return [
        (cell.path.name, f"cells/{cell.path.name}/profile.svg")
        for cell in run.cells()
        if (cell.path / "profile.svg").is_file()
    ]


def shown_cells(run: RunDir, summary: RunSummary) -> list[tuple[CellDir, CellSummary]]:
    """Of each scenario the trial whose throughput is the median."""
    by_name: dict[str, list[CellSummary]] = {}
    for cell in summary.cells:
        by_name.setdefault(cell.scenario, []).append(cell)
    chosen = [typical(trials) for trials in by_name.values()]
    return [(run.cell(f"{each.scenario}.{each.trial}"), each) for each in chosen]


def typical(trials: Sequence[CellSummary]) -> CellSummary:
    """Among those that ran to their end, if there are any."""
    trials = [each for each in trials if not each.interrupted] or trials
    middle = median_low([each.ok_rps or 0.0 for each in trials])
    return next(each for each in trials if (each.ok_rps or 0.0) == middle)


def cores_of(manifest: Mapping[str, object]) -> int | None:
    cores = mapping(manifest.get("environment")).get("cores")
    return cores if isinstance(cores, int) else None


def highest_of(shown: Sequence[Seen]) -> dict[str, float]:
    if not shown:
        return {}
    points = pl.concat(each.through_time.points for each in shown)
    most = points.group_by("panel").agg(pl.col("value").max().fill_null(0.0))
    return {str(panel): float(value) for panel, value in most.iter_rows()}


def quantiles_picture(shown: Sequence[Seen]) -> Drawn | None:
    found = [
        (name_of(each.summary), each.latency.quantiles)
        for each in shown
        if not each.latency.quantiles.is_empty()
    ]
    if len(found) < 2:
        return None
    return drawn(
        Picture(
            "quantiles",
            "How long it took, all together",
            "All quantiles of the latency of every scenario; dashed: with the requests that nobody "
            "answered.",
            pictures.quantiles_together(found),
        )
    )


def table_of(cells: Sequence[CellSummary]) -> list[tuple[CellSummary, list[TableCell]]]:
    marked = [marks(cells, figure) for figure in FIGURES]
    return [
        (
            cell,
            [
                TableCell(
                    figure.text(cell), figure.theory(cell) if figure.theory else "", of.get(place)
                )
                for figure, of in zip(FIGURES, marked, strict=True)
            ],
        )
        for place, cell in enumerate(cells)
    ]
