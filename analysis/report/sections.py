"""What the page shows of one cell: words, figures and pictures."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import TypeAdapter

from analysis.latencies import TIMES
from analysis.population import Window, last_moment, window_of
from analysis.report import pictures
from analysis.report.conditions import Row, machine_meanwhile
from analysis.report.drawing import Drawn, drawn
from analysis.report.lanes import Lanes, lanes
from analysis.report.latency_shape import LatencyShape, latency_shape
from analysis.report.pictures import Picture
from analysis.report.sentences import answer
from analysis.report.slices import Slices, slices_of
from analysis.report.through_time import ThroughTime, through_time
from analysis.summary import CellSummary
from analysis.tables import name_of
from analysis.theory.prediction import system_of
from analysis.theory.sweep import curve, users_grid
from records.calibration import Calibration
from records.cell import CellRecord
from records.rundir import CellDir
from scenarios.units import Second

SLICE_TURNS = 4
SHORTEST_SLICE_S, LONGEST_SLICE_S = 0.2, 8.0
FEWEST_USERS, USERS_BEYOND = 1, 4
"""The curve over users goes so many times further than the run did."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows of a cell, made into what its pictures need. end_s: of its drain. The window is
    empty in a cell that was cut short before it: its lanes show what came before."""

    record: CellRecord
    summary: CellSummary
    window: Window
    end_s: Second
    lanes: Lanes
    through_time: ThroughTime
    latency: LatencyShape


@dataclass(frozen=True, slots=True)
class Section:
    identity: str
    name: str
    question: str
    answer: str
    cell: CellSummary
    meanwhile: tuple[Row, ...]
    lanes: Drawn | None
    rows_left_out: int
    lanes_end_s: Second | None
    """Where the lanes end, if that is before the window's end."""
    slices: Slices | None
    through_time: Drawn
    latency: Drawn | None
    prediction: Drawn | None

    @property
    def pictures(self) -> Iterator[Drawn]:
        yield from (
            each
            for each in (self.lanes, self.through_time, self.latency, self.prediction)
            if each is not None
        )


def seen(cell: CellDir, summary: CellSummary) -> Seen:
    """Raises Problem for a table that is missing or damaged."""
    record = cell.record()
    window = window_of(record, cell.table("requests", (*TIMES, "status")))
    end_s = last_moment(record, cell)
    return Seen(
        record=record,
        summary=summary,
        window=window,
        end_s=end_s,
        lanes=lanes(record, cell, window if window.length_s else Window(0.0, end_s)),
        through_time=through_time(cell, end_s),
        latency=latency_shape(record, cell, window),
    )


def section(
    found: Seen, highest: Mapping[str, float], calibration: Calibration | None, cores: int | None
) -> Section:
    """`highest`: of each panel through time, over all cells of the run."""
    name = name_of(found.summary)
    identity = f"{found.summary.scenario}-{found.summary.trial}"
    begin_s, end_s = first_slice(found)
    has_lanes = not found.lanes.is_empty
    return Section(
        identity=identity,
        name=name,
        question=found.record.scenario.question,
        answer=answer(found.summary, found.record.scenario),
        cell=found.summary,
        meanwhile=tuple(machine_meanwhile(found.summary)),
        lanes=drawn(lanes_picture(found, identity, name, begin_s, end_s)) if has_lanes else None,
        rows_left_out=found.lanes.left_out,
        lanes_end_s=found.lanes.span.end_s if found.lanes.is_shortened else None,
        slices=slices_of(found.lanes, identity, begin_s, end_s - begin_s) if has_lanes else None,
        through_time=drawn(
            Picture(
                f"{identity}-time",
                f"{name} through time",
                f"Answers, requests in flight, threads, pool and loop of {name}, second by second; "
                "the window is shaded, worker deaths are dashed lines.",
                pictures.through_time_chart(
                    found.through_time,
                    highest,
                    found.window,
                    [death.at_s for death in found.record.deaths],
                    found.end_s,
                ),
            )
        ),
        latency=latency_picture(found, identity, name),
        prediction=prediction_picture(found, identity, name, calibration, cores),
    )


def first_slice(found: Seen) -> tuple[Second, Second]:
    """A few turns of the endpoint, from where the window opens."""
    span = found.lanes.span
    turn_s = found.record.scenario.delay_s or SHORTEST_SLICE_S
    wanted_s = min(max(SLICE_TURNS * turn_s, SHORTEST_SLICE_S), LONGEST_SLICE_S)
    return span.start_s, span.start_s + min(wanted_s, max(span.length_s, SHORTEST_SLICE_S))


def lanes_picture(found: Seen, identity: str, name: str, begin_s: Second, end_s: Second) -> Picture:
    return Picture(
        f"{identity}-lanes",
        f"{name}: who was where",
        f"A row for each thread and each awaiting request of {name}, a bar for each request, from "
        f"second {begin_s:.1f} to {end_s:.1f}.",
        pictures.lanes_chart(found.lanes, begin_s, end_s),
    )


def latency_picture(found: Seen, identity: str, name: str) -> Drawn | None:
    if found.latency.quantiles.is_empty() or found.latency.spread.is_empty():
        return None
    return drawn(
        Picture(
            f"{identity}-latency",
            f"{name}: how long it took",
            f"All quantiles of the latency of {name}, and how many requests took how long; those "
            "that nobody answered are counted with their age.",
            pictures.latency_chart(found.latency),
        )
    )


def prediction_picture(
    found: Seen, identity: str, name: str, calibration: Calibration | None, cores: int | None
) -> Drawn | None:
    """Of a closed loop that was calibrated; a formula tells the curve."""
    scenario = found.record.scenario
    theory = found.summary.predicted
    if calibration is None or theory is None or scenario.load.is_open:
        return None
    system = system_of(scenario, calibration.cpu_s, cores)
    users = users_grid(FEWEST_USERS, USERS_BEYOND * scenario.load.users)
    return drawn(
        Picture(
            f"{identity}-prediction",
            f"{name}: predicted and measured",
            f"Predicted throughput and mean response of {name} over the number of users, with the "
            "knee as a dashed line; what was foretold of this run is a circle, the measurement a "
            "diamond.",
            pictures.prediction_chart(
                curve(system, users, scenario.load.think_s),
                scenario.load.users,
                {"ok_rps": theory.ok_rps, "mean_ms": theory.mean_ms},
                {"ok_rps": found.summary.ok_rps, "mean_ms": found.summary.mean_ms},
            ),
        )
    )


def calibrations_of(manifest: Mapping[str, object]) -> dict[str, Calibration]:
    """By the scenario's name; none in runs that were not predicted."""
    return TypeAdapter(dict[str, Calibration]).validate_python(manifest.get("calibrations") or {})
