"""What the page shows of one cell: words, figures and pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from analysis.measures.window import Window, open_cell
from analysis.report import charts
from analysis.report.charts import CaptionedChart
from analysis.report.drawing import RenderedChart, render_chart
from analysis.report.headlines import write_headline
from analysis.report.interactive_timeline import InteractiveTimeline, build_interactive_timeline
from analysis.report.latency_shape import LatencyDistribution, compute_distribution
from analysis.report.over_time import TimeSeries, compute_time_series
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


@dataclass(frozen=True, slots=True)
class Section:
    identity: str
    name: str
    question: str
    answer: str
    cell: CellSummary
    lanes: RenderedChart | None
    rows_left_out: int
    lanes_end_s: Second | None
    """Where the lanes end, if that is before the window's end."""
    slices: InteractiveTimeline | None
    through_time: RenderedChart
    latency: RenderedChart | None
    prediction: RenderedChart | None

    @property
    def pictures(self) -> Iterator[RenderedChart]:
        yield from (
            each
            for each in (self.lanes, self.through_time, self.latency, self.prediction)
            if each is not None
        )


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
    name = format_cell_name(found.summary)
    identity = f"{found.summary.scenario}-{found.summary.trial}"
    begin_s, end_s = choose_first_slice(found)
    has_lanes = not found.lanes.is_empty
    return Section(
        identity=identity,
        name=name,
        question=found.record.scenario.question,
        answer=write_headline(found.summary, found.record.scenario),
        cell=found.summary,
        lanes=render_chart(caption_timeline(found, identity, name, begin_s, end_s))
        if has_lanes
        else None,
        rows_left_out=found.lanes.left_out,
        lanes_end_s=found.lanes.span.end_s if found.lanes.is_shortened else None,
        slices=build_interactive_timeline(found.lanes, identity, begin_s, end_s - begin_s)
        if has_lanes
        else None,
        through_time=render_chart(
            CaptionedChart(
                f"{identity}-time",
                f"{name} through time",
                f"Answers, requests in flight, threads, pool and loop of {name}, second by second; "
                "the window is shaded, worker deaths are dashed lines.",
                charts.draw_over_time(
                    found.through_time,
                    highest,
                    found.window,
                    [death.at_s for death in found.record.deaths],
                    found.end_s,
                ),
            )
        ),
        latency=render_latency_chart(found, identity, name),
        prediction=render_prediction_chart(found, identity, name, calibration, cores),
    )


def choose_first_slice(found: ReportCell) -> tuple[Second, Second]:
    """A few turns of the endpoint, from where the window opens."""
    span = found.lanes.span
    turn_s = found.record.scenario.delay_s or SHORTEST_SLICE_S
    wanted_s = min(max(SLICE_TURNS * turn_s, SHORTEST_SLICE_S), LONGEST_SLICE_S)
    return span.start_s, span.start_s + min(wanted_s, max(span.length_s, SHORTEST_SLICE_S))


def caption_timeline(
    found: ReportCell, identity: str, name: str, begin_s: Second, end_s: Second
) -> CaptionedChart:
    return CaptionedChart(
        f"{identity}-lanes",
        f"{name}: who was where",
        f"A row for each thread and each awaiting request of {name}, a bar for each request, from "
        f"second {begin_s:.1f} to {end_s:.1f}.",
        charts.draw_timeline(found.lanes, begin_s, end_s),
    )


def render_latency_chart(found: ReportCell, identity: str, name: str) -> RenderedChart | None:
    if found.latency.quantiles.is_empty() or found.latency.spread.is_empty():
        return None
    return render_chart(
        CaptionedChart(
            f"{identity}-latency",
            f"{name}: how long it took",
            f"All quantiles of the latency of {name}, and how many requests took how long; those "
            "that nobody answered are counted with their age.",
            charts.draw_latency(found.latency),
        )
    )


def render_prediction_chart(
    found: ReportCell, identity: str, name: str, calibration: Calibration | None, cores: int | None
) -> RenderedChart | None:
    """Of a closed loop that was calibrated; a formula tells the curve."""
    scenario = found.record.scenario
    theory = found.summary.predicted
    if calibration is None or theory is None or scenario.load.is_open:
        return None
    system = build_server_model(scenario, calibration.cpu_s, cores)
    users = build_users_grid(FEWEST_USERS, USERS_BEYOND * scenario.load.users)
    return render_chart(
        CaptionedChart(
            f"{identity}-prediction",
            f"{name}: predicted and measured",
            f"Predicted throughput and mean response of {name} over the number of users, with the "
            "knee as a dashed line; what was foretold of this run is a circle, the measurement a "
            "diamond.",
            charts.draw_prediction(
                compute_curve(system, users, scenario.load.think_s),
                scenario.load.users,
                {"ok_rps": theory.ok_rps, "mean_ms": theory.mean_ms},
                {"ok_rps": found.summary.ok_rps, "mean_ms": found.summary.mean_ms},
            ),
        )
    )


def read_calibrations(manifest: Mapping[str, object]) -> dict[str, Calibration]:
    """By the scenario's name; none in runs that were not predicted."""
    return TypeAdapter(dict[str, Calibration]).validate_python(manifest.get("calibrations") or {})
