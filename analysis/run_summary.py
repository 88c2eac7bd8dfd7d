"""A run as a whole: cells in reading order, scenarios over their trials, what was expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import TypeAdapter

from analysis.capacity import knee_of
from analysis.contrast import Contrast, Entrant, contrasts
from analysis.expectations import Expectation, Outcome, judged, parse
from analysis.knee import Knee
from analysis.summary import CellSummary, Predicted
from analysis.sweep import Sweep, Sweeping, asked_for, sweeps
from analysis.trials import ScenarioSummary, over_trials


@dataclass(frozen=True, slots=True)
class Asked:
    """Of a manifest, what its run was asked for; `scenarios` as the catalogue orders them."""

    command: str
    scenarios: tuple[str, ...]
    trials: int
    expectations: tuple[Expectation, ...]
    predictions: Mapping[str, Predicted] = field(default_factory=dict)
    """By the scenario's name, as they were before the load started."""
    entrants: tuple[Entrant, ...] = ()
    capacity: bool = False
    """Whether the cells are the steps of a search for the capacity."""
    sweep: Sweeping | None = None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """`cells` by scenario and then by trial, however they took turns; no outcome where nothing
    was expected."""

    command: str
    cells: tuple[CellSummary, ...]
    scenarios: tuple[ScenarioSummary, ...]
    outcomes: tuple[Outcome, ...]
    contrasts: tuple[Contrast, ...] = ()
    knee: Knee | None = None
    """Of a search for the capacity."""
    sweeps: tuple[Sweep, ...] = ()


def asked_of(manifest: Mapping[str, object]) -> Asked:
    """Earlier runs recorded less: they had one trial, and expected nothing. Raises Problem for an
    expectation that can't be read."""
    command, trials = manifest.get("command"), manifest.get("trials")
    scenarios = [each for each in listed(manifest.get("scenarios")) if isinstance(each, dict)]
    expected = [str(each) for each in listed(manifest.get("expectations"))]
    return Asked(
        command=command if isinstance(command, str) else "",
        scenarios=tuple(str(each.get("name")) for each in scenarios),
        trials=trials if isinstance(trials, int) else 1,
        expectations=tuple(each for text in expected for each in parse(text)),
        predictions=TypeAdapter(dict[str, Predicted]).validate_python(
            manifest.get("predictions") or {}
        ),
        entrants=tuple(
            Entrant(str(each["subject"]), str(each.get("contender")), str(each.get("name")))
            for each in scenarios
            if each.get("subject")
        ),
        capacity=manifest.get("capacity") is not None,
        sweep=asked_for(manifest.get("sweep")),
    )


def listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def summarised(cells: Sequence[CellSummary], asked: Asked) -> RunSummary:
    told = [beside_theory(cell, asked) for cell in cells]
    ordered = in_reading_order(told, asked.scenarios)
    return RunSummary(
        command=asked.command,
        cells=ordered,
        scenarios=over_trials(ordered),
        outcomes=judged(asked.expectations, ordered, asked.scenarios, asked.trials),
        contrasts=contrasts(ordered, asked.entrants),
        knee=knee_of(ordered) if asked.capacity else None,
        sweeps=sweeps(ordered, asked.sweep),
    )


def beside_theory(cell: CellSummary, asked: Asked) -> CellSummary:
    return replace(cell, predicted=asked.predictions.get(cell.scenario))


def in_reading_order(
    cells: Sequence[CellSummary], scenarios: Sequence[str]
) -> tuple[CellSummary, ...]:
    """One of a scenario that nobody asked for comes last."""
    place = {name: number for number, name in enumerate(scenarios)}
    return tuple(sorted(cells, key=lambda each: (place.get(each.scenario, len(place)), each.trial)))
