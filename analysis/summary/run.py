"""A run as a whole: cells in reading order, scenarios over their trials, expectations."""

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
from records.cell import CellRecord
from records.prediction import Prediction, name_prediction
from scenarios.model import Scenario

PREDICTIONS = TypeAdapter(dict[str, Prediction])
SWEEP = TypeAdapter[SweepSettings | None](SweepSettings | None)


@dataclass(frozen=True, slots=True)
class ExerciseRecord:
    """A workshop's exercise: its number and question. `asked`: a metric's key. `guess`: None where
    no guess was requested."""

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
    """A run's settings from its manifest; `scenarios` in the catalogue's order."""

    command: str
    scenarios: tuple[str, ...]
    trials: int
    expectations: tuple[Threshold, ...]
    predictions: Mapping[str, Prediction] = field(default_factory=dict)
    """Computed before the load started; for their names see `name_prediction`."""
    entrants: tuple[Entrant, ...] = ()
    capacity: bool = False
    """True if the cells are the steps of a capacity search."""
    sweep: SweepSettings | None = None
    definitions: Mapping[str, Scenario] = field(default_factory=dict)
    """The resolved scenarios by name."""
    exercise: ExerciseRecord | None = None

    def find_prediction(self, record: CellRecord) -> Prediction | None:
        """Find a trial's own prediction; in older records it is called `name.trial`, or is the
        scenario's."""
        name, trial = record.scenario.name, record.trial
        names = [name_prediction(name, trial), f"{name}.{trial}", name]
        known = (each for each in names if each == name or each not in self.scenarios)
        return next((found for each in known if (found := self.predictions.get(each))), None)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """`cells`: by scenario, then by trial, whatever order they ran in. `outcomes`: empty without
    expectations."""

    command: str
    cells: tuple[CellSummary, ...]
    scenarios: tuple[ScenarioSummary, ...]
    outcomes: tuple[ThresholdOutcome, ...]
    contrasts: tuple[Contrast, ...] = ()
    knee: Knee | None = None
    """None unless the run is a capacity search."""
    sweeps: tuple[Sweep, ...] = ()
    definitions: Mapping[str, Scenario] = field(default_factory=dict)
    exercise: ExerciseRecord | None = None


def read_run_settings(manifest: Mapping[str, object]) -> RunSettings:
    """Read a manifest; for an earlier run, assume one trial and no expectations. Raises UserError
    for an invalid expectation."""
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
    """Read a manifest's scenarios. Leave out those with only a name or an outdated value; answers
    then do not mention them."""
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
    """Sort by scenario and trial; unrequested scenarios come last."""
    place = {name: number for number, name in enumerate(scenarios)}
    return tuple(sorted(cells, key=lambda each: (place.get(each.scenario, len(place)), each.trial)))
