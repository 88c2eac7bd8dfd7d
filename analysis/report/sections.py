"""What the page shows of one cell: words, figures and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl
from pydantic import TypeAdapter

from analysis.measures.window import Window, open_cell
from analysis.report import charts
from analysis.report.drawing import RenderedChart, render_chart
from analysis.report.headlines import write_headline
from analysis.report.interactive_timeline import (
    InteractiveTimeline,
    build_interactive_timeline,
    draw_timeline,
)
from analysis.report.latency_shape import LatencyDistribution, compute_distribution
from analysis.report.over_time import TimeSeries, compute_time_series
from analysis.report.predicted_curves import draw_prediction
from analysis.report.run_table import format_cell_name
from analysis.report.timeline import Timeline, build_timeline
from analysis.summary.model import CellSummary
from analysis.theory.curve import build_users_grid, compute_curve
from analysis.theory.prediction import build_server_model
from records.cell import CellRecord
from records.prediction import Calibration
from records.rundir import CellDir
from scenarios.units import Second

SLICE_TURNS = 4
SHORTEST_SLICE_S, LONGEST_SLICE_S = 0.2, 8.0
FEWEST_USERS, USERS_BEYOND = 1, 4
"""The curve over users goes so many times further than the run did."""


@dataclass(frozen=True, slots=True)
class ReportCell:
    """The rows of a cell, made into what its pictures need. end_s: of its drain. The window is
    empty in a cell that was cut short before it: its lanes show what came before."""

    record: CellRecord
    summary: CellSummary
    window: Window
    end_s: Second
    lanes: Timeline
    through_time: TimeSeries
    latency: LatencyDistribution

    @property
    def name(self) -> str:
        return format_cell_name(self.summary)

    @property
    def identity(self) -> str:
        return f"{self.summary.scenario}-{self.summary.trial}"


@dataclass(frozen=True, slots=True)
class Section:
    identity: str
    name: str
    answer: str
    cell: CellSummary
    rows_left_out: int
    lanes_end_s: Second | None
    """Where the lanes end, if that is before the window's end."""
    slices: InteractiveTimeline | None
    lanes: RenderedChart | None
    through_time: RenderedChart
    latency: RenderedChart | None
    prediction: RenderedChart | None

    @property
    def pictures(self) -> tuple[RenderedChart | None, ...]:
        return self.lanes, self.through_time, self.latency, self.prediction


def load_report_cell(cell: CellDir, summary: CellSummary) -> ReportCell:
    """Raises UserError for a table that is missing or damaged."""
    record = cell.load_record()
    measured = open_cell(record, cell)
    window, end_s = measured.window, measured.end_s
    return ReportCell(
        record=record,
        summary=summary,
        window=window,
        end_s=end_s,
        lanes=build_timeline(record, cell, window if window.length_s else Window(0.0, end_s)),
        through_time=compute_time_series(cell, end_s),
        latency=compute_distribution(record, cell, window),
    )


def build_section(
    found: ReportCell,
    highest: Mapping[str, float],
    calibration: Calibration | None,
    cores: int | None,
) -> Section:
    """`highest`: of each panel through time, over all cells of the run."""
    lanes, shown = found.lanes, choose_first_slice(found)
    return Section(
        identity=found.identity,
        name=found.name,
        answer=write_headline(found.summary, found.record.scenario),
        cell=found.summary,
        rows_left_out=lanes.left_out,
        lanes_end_s=lanes.span.end_s if lanes.is_shortened else None,
        slices=None if lanes.is_empty else build_interactive_timeline(lanes, found.identity, shown),
        lanes=None if lanes.is_empty else render_timeline(found, shown),
        through_time=render_over_time(found, highest),
        latency=render_latency_chart(found),
        prediction=render_prediction_chart(found, calibration, cores),
    )


def choose_first_slice(found: ReportCell) -> Window:
    """A few turns of the endpoint, from where the window opens."""
    span = found.lanes.span
    turn_s = found.record.scenario.delay_s or SHORTEST_SLICE_S
    wanted_s = min(max(SLICE_TURNS * turn_s, SHORTEST_SLICE_S), LONGEST_SLICE_S)
    length_s = min(wanted_s, max(span.length_s, SHORTEST_SLICE_S))
    return Window(span.start_s, span.start_s + length_s)


def render_timeline(found: ReportCell, shown: Window) -> RenderedChart:
    bars = found.lanes.bars.filter(pl.col("end_s") > shown.start_s, pl.col("start_s") < shown.end_s)
    return render_chart(
        f"{found.identity}-lanes",
        f"{found.name}: who was where",
        f"A row for each thread and each awaiting request of {found.name}, a bar for each request, "
        f"from second {shown.start_s:.1f} to {shown.end_s:.1f}.",
        draw_timeline(found.lanes, shown, bars),
    )


def render_over_time(found: ReportCell, highest: Mapping[str, float]) -> RenderedChart:
    deaths = [death.at_s for death in found.record.deaths]
    return render_chart(
        f"{found.identity}-time",
        f"{found.name} through time",
        f"Answers, requests in flight, threads, pool and loop of {found.name}, second by second; "
        "the window is shaded, worker deaths are dashed lines.",
        charts.draw_over_time(found.through_time, highest, found.window, deaths, found.end_s),
    )


def render_latency_chart(found: ReportCell) -> RenderedChart | None:
    if found.latency.quantiles.is_empty() or found.latency.spread.is_empty():
        return None
    return render_chart(
        f"{found.identity}-latency",
        f"{found.name}: how long it took",
        f"All quantiles of the latency of {found.name}, and how many requests took how long; those "
        "that nobody answered are counted with their age.",
        charts.draw_latency(found.latency),
    )


def render_prediction_chart(
    found: ReportCell, calibration: Calibration | None, cores: int | None
) -> RenderedChart | None:
    """Of a closed loop that was calibrated; a formula tells the curve."""
    scenario, theory, cell = found.record.scenario, found.summary.predicted, found.summary
    if calibration is None or theory is None or scenario.load.is_open:
        return None
    system = build_server_model(scenario, calibration.cpu_s, cores)
    users = build_users_grid(FEWEST_USERS, USERS_BEYOND * scenario.load.users)
    return render_chart(
        f"{found.identity}-prediction",
        f"{found.name}: predicted and measured",
        f"Predicted throughput and mean response of {found.name} over the number of users, with "
        "the knee as a dashed line; what was foretold of this run is a circle, the measurement a "
        "diamond.",
        draw_prediction(
            compute_curve(system, users, scenario.load.think_s),
            scenario.load.users,
            {"ok_rps": theory.ok_rps, "mean_ms": theory.mean_ms},
            {"ok_rps": cell.ok_rps, "mean_ms": cell.mean_ms},
        ),
    )


def read_calibrations(manifest: Mapping[str, object]) -> dict[str, Calibration]:
    """By the scenario's name; none in runs that were not predicted."""
    return TypeAdapter(dict[str, Calibration]).validate_python(manifest.get("calibrations") or {})
