"""A run as a whole: cells in reading order, scenarios over their trials, what was expected."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import TypeAdapter, ValidationError

from analysis.summary.capacity import Knee, compute_knee
from analysis.summary.contrast import Contrast, Entrant, compute_contrasts
from analysis.summary.model import CellSummary
from analysis.summary.sweep import Sweep, SweepSettings, summarize_sweeps
from analysis.summary.thresholds import (
    Threshold,
    ThresholdOutcome,
    judge_thresholds,
    parse_thresholds,
)
from analysis.summary.trials import ScenarioSummary, summarize_trials
from records.prediction import Prediction
from scenarios.model import Scenario

PREDICTIONS = TypeAdapter(dict[str, Prediction])
SWEEP = TypeAdapter[SweepSettings | None](SweepSettings | None)


@dataclass(frozen=True, slots=True)
class ExerciseRecord:
    """Of a workshop's exercise: which, and what was asked in which words. `asked`: a metric's key.
    `guess`: None where nobody was asked for one."""

    exercise: int
    edited: bool = False
    guess: float | None = None
    title: str = ""
    question: str = ""
    asked: str = ""
    asked_words: str = ""


EXERCISE = TypeAdapter[ExerciseRecord | None](ExerciseRecord | None)
DEFINITION = TypeAdapter(Scenario)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Of a manifest, what its run was asked for; `scenarios` as the catalogue orders them."""

    command: str
    scenarios: tuple[str, ...]
    trials: int
    expectations: tuple[Threshold, ...]
    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    """By the scenario's name, as they were before the load started."""
    entrants: tuple[Entrant, ...] = ()
    capacity: bool = False
    """Whether the cells are the steps of a search for the capacity."""
    sweep: SweepSettings | None = None
    definitions: Mapping[str, Scenario] = field(default_factory=dict)
    """The scenarios themselves by name, with nothing left open."""
    exercise: ExerciseRecord | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """`cells` by scenario and then by trial, however they took turns; no outcome where nothing
    was expected."""

    command: str
    cells: tuple[CellSummary, ...]
    scenarios: tuple[ScenarioSummary, ...]
    outcomes: tuple[ThresholdOutcome, ...]
    contrasts: tuple[Contrast, ...] = ()
    knee: Knee | None = None
    """Of a search for the capacity."""
    sweeps: tuple[Sweep, ...] = ()
    definitions: Mapping[str, Scenario] = field(default_factory=dict)
    exercise: ExerciseRecord | None = None


def read_run_settings(manifest: Mapping[str, object]) -> RunSettings:
    """Earlier runs recorded less: they had one trial, and expected nothing. Raises UserError for an
    expectation that can't be read."""
    command, trials = manifest.get("command"), manifest.get("trials")
    scenarios = [each for each in ensure_list(manifest.get("scenarios")) if isinstance(each, dict)]
    expected = [str(each) for each in ensure_list(manifest.get("expectations"))]
    return RunSettings(
        command=command if isinstance(command, str) else "",
        scenarios=tuple(str(each.get("name")) for each in scenarios),
        trials=trials if isinstance(trials, int) else 1,
        expectations=tuple(each for text in expected for each in parse_thresholds(text)),
        predictions=PREDICTIONS.validate_python(manifest.get("predictions") or {}),
        entrants=tuple(
            Entrant(str(each["subject"]), str(each.get("contender")), str(each.get("name")))
            for each in scenarios
            if each.get("subject")
        ),
        capacity=manifest.get("capacity") is not None,
        sweep=SWEEP.validate_python(manifest.get("sweep")),
        definitions={each.name: each for each in read_definitions(scenarios)},
        exercise=EXERCISE.validate_python(manifest.get("workshop")),
    )


def read_definitions(recorded: Sequence[Mapping[object, object]]) -> Iterator[Scenario]:
    """Of a manifest. One that has its name alone, or a value that is no longer known, is left
    out: an answer does not speak of it."""
    for each in recorded:
        with suppress(ValidationError):
            yield DEFINITION.validate_python(each)


def ensure_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def summarize_run(cells: Sequence[CellSummary], asked: RunSettings) -> RunSummary:
    ordered = sort_for_reading(cells, asked.scenarios)
    return RunSummary(
        command=asked.command,
        cells=ordered,
        scenarios=summarize_trials(ordered),
        outcomes=judge_thresholds(asked.expectations, ordered, asked.scenarios, asked.trials),
        contrasts=compute_contrasts(ordered, asked.entrants),
        knee=compute_knee(ordered) if asked.capacity else None,
        sweeps=summarize_sweeps(ordered, asked.sweep),
        definitions=asked.definitions,
        exercise=asked.exercise,
    )


def sort_for_reading(
    cells: Sequence[CellSummary], scenarios: Sequence[str]
) -> tuple[CellSummary, ...]:
    """One of a scenario that nobody asked for comes last."""
    place = {name: number for number, name in enumerate(scenarios)}
    return tuple(sorted(cells, key=lambda each: (place.get(each.scenario, len(place)), each.trial)))
