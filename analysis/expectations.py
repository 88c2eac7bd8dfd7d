"""Thresholds that a run must keep: parsed and checked before it, judged after it."""

import math
import operator
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Literal, cast, get_args, get_type_hints

from analysis import formats
from analysis.summary import CellSummary
from analysis.trials import measured
from scenarios.catalogue import CATALOGUE, GROUPS
from scenarios.model import Library
from scenarios.overrides import plain
from scenarios.problems import Problem

Operator = Literal["<", "<=", "==", "!=", ">=", ">"]
HOLDS: Mapping[Operator, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
EVERY = "*"
EXAMPLE = "'async-http-shared: failures == 0, p99_ms < 1200'"

_CONDITION = re.compile(r"([a-z]\w*(?:\.\w+)*)\s*([<>=!]+)\s*(\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expectation:
    """`target` is a scenario, a group or `*`; `bound` has the unit of the figure."""

    target: str
    figure: str
    operator: Operator
    bound: float

    def __str__(self) -> str:
        return f"{self.figure} {self.operator} {plain(self.bound)}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`value` is that of the worst trial, `trial` its number, `trials` how many were judged.
    `why` says what kept a figure from being judged at all: then there is no value."""

    scenario: str
    expectation: Expectation
    met: bool
    value: float | None
    trial: int | None
    trials: int
    why: str | None


def parse(text: str) -> tuple[Expectation, ...]:
    """`scenario: figure < number, …`. Raises Problem."""
    target, colon, conditions = text.partition(":")
    if not colon or not target.strip():
        raise Problem(f"expectation {text!r}: name a scenario, a group or *, as in {EXAMPLE}")
    return tuple(condition(target.strip(), each) for each in conditions.split(","))


def condition(target: str, text: str) -> Expectation:
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise Problem(
            f"expectation {text.strip()!r} of {target}: "
            "give a figure, a comparison and a number, such as 'p99_ms < 1200'"
        )
    figure, sign, number = match.groups()
    if sign not in HOLDS:
        raise Problem(f"expectation {match[0]!r}: {sign!r} is none of {' '.join(HOLDS)}")
    return Expectation(target, figure, cast(Operator, sign), bound_of(match[0], number))


def bound_of(text: str, number: str) -> float:
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise Problem(
            f"expectation {text!r}: {number!r} is no plain number; "
            "its unit is that of the figure, so 1200 for 1200 ms"
        )
    return bound


def read_file(path: Path) -> tuple[Expectation, ...]:
    """A table for each scenario, group or "*": `p99_ms = "< 1200"`. Raises Problem."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path}: the expectations can't be read: {error.strerror}") from error
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise Problem(f"{path}: this is no TOML ({reason})") from error
    found: list[Expectation] = []
    for target, table in content.items():
        if not isinstance(table, dict):
            raise Problem(f"{path}: {target} stands outside of a table such as [{GROUPS[0]}]")
        found += [condition(target, text) for text in conditions_in(path, table)]
    if not found:
        raise Problem(f"{path}: there is no expectation in it")
    return tuple(found)


def conditions_in(path: Path, table: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """TOML reads `bystander.p99_ms = …` as a table within the table: the same figure to us."""
    for key, value in table.items():
        figure = prefix + key
        if isinstance(value, dict):
            yield from conditions_in(path, value, f"{figure}.")
            continue
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str):
                raise Problem(f'{path}: {figure} = {each!r}: give a text such as "< 1200"')
            yield f"{figure} {each}"


def known_figures(summary: type = CellSummary) -> Iterator[str]:
    """The numbers of a cell in summary.json, dotted where nested."""
    hints = get_type_hints(summary)
    for each in fields(summary):
        hint = hints[each.name]
        kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        if {int, float} & set(kinds):
            yield each.name
        for kind in kinds:
            if is_dataclass(kind):
                yield from (f"{each.name}.{inner}" for inner in known_figures(cast(type, kind)))


def check_known(expectations: Sequence[Expectation], scenarios: Sequence[str]) -> None:
    """Raises Problem for a figure that no cell has, or a target that is not in the run."""
    figures = tuple(known_figures())
    groups = tuple(group for group in GROUPS if members(group, scenarios))
    for each in expectations:
        if each.figure not in figures:
            close = closest(each.figure, figures) or "the names are those in summary.json"
            raise Problem(f"expectation {each}: no figure is called {each.figure!r}; {close}")
        if not members(each.target, scenarios):
            names = (*scenarios, *groups)
            close = closest(each.target, names) or f"there is {', '.join(names)}"
            raise Problem(f"expectation {each}: this run has no {each.target!r}; {close}")


def closest(name: str, known: Sequence[str]) -> str | None:
    found = get_close_matches(name, known, n=1)
    return f"did you mean {found[0]}?" if found else None


def members(target: str, scenarios: Sequence[str]) -> list[str]:
    """Those of the named scenarios that are meant."""
    return [name for name in scenarios if target in (EVERY, name, group_of(name))]


def group_of(scenario: str) -> str | None:
    """Also of a variant, which has the name of its client library behind its own."""
    names = {scenario, *(scenario.removesuffix(f"-{library}") for library in get_args(Library))}
    return next((entry.group for entry in CATALOGUE if entry.name in names), None)


def judged(
    expectations: Sequence[Expectation],
    cells: Sequence[CellSummary],
    scenarios: Sequence[str] = (),
    asked_trials: int = 1,
) -> tuple[Outcome, ...]:
    """One outcome for each expectation and scenario it means. `scenarios` are those that should
    have run, `asked_trials` times each: without them, nobody could tell that a cell is missing."""
    names = tuple(dict.fromkeys((*scenarios, *(cell.scenario for cell in cells))))
    return tuple(
        outcome(each, name, [cell for cell in cells if cell.scenario == name], asked_trials)
        for each in expectations
        for name in members(each.target, names) or [each.target]
    )


def outcome(
    expectation: Expectation, scenario: str, trials: Sequence[CellSummary], asked_trials: int
) -> Outcome:
    """It must hold in every trial; one that could not be judged counts as one that failed."""

    def unjudged(why: str, trial: int | None = None) -> Outcome:
        return Outcome(scenario, expectation, False, None, trial, len(trials), why)

    if not trials:
        return unjudged("no cell of it was measured")
    values: list[tuple[float, int]] = []
    for cell in trials:
        if cell.interrupted is not None:
            return unjudged("interrupted", cell.trial)
        value = measured(cell, expectation.figure)
        if value is None:
            return unjudged("not measured", cell.trial)
        if (doubt := disbelieved(cell)) and expectation.figure.endswith("_ms"):
            return unjudged(f"{formats.beside(value, expectation.bound)}, but {doubt}", cell.trial)
        values.append((value, cell.trial))
    if len(trials) < asked_trials:
        return unjudged(f"only {len(trials)} of {asked_trials} trials were measured")
    value, trial = max(values, key=lambda pair: excess(pair[0], expectation))
    met = HOLDS[expectation.operator](value, expectation.bound)
    return Outcome(scenario, expectation, met, value, trial, len(trials), None)


UNBELIEVABLE = ("LITTLE_MISMATCH", "OVERLOADED", "GENERATOR_SATURATED", "COUNTS_DISAGREE")


def disbelieved(cell: CellSummary) -> str | None:
    """The verdict for which no latency of this cell may pass a threshold; None if there is none."""
    return next(
        (
            verdict.code
            for verdict in cell.verdicts
            if verdict.code in UNBELIEVABLE and verdict.severity == "error"
        ),
        None,
    )


def excess(value: float, expectation: Expectation) -> float:
    """How far on the wrong side of the bound: the larger, the worse."""
    beyond = value - expectation.bound
    match expectation.operator:
        case "<" | "<=":
            return beyond
        case ">" | ">=":
            return -beyond
        case "==":
            return abs(beyond)
        case "!=":
            return -abs(beyond)


def all_met(outcomes: Sequence[Outcome]) -> bool:
    return all(each.met for each in outcomes)


def outcome_line(outcome: Outcome) -> str:
    sign = "✓" if outcome.met else "✗"
    expected, several = outcome.expectation, outcome.trials > 1
    if outcome.value is None:
        where = f" (trial {outcome.trial})" if several and outcome.trial else ""
        return f"{sign} {outcome.scenario}: {expected}: {outcome.why}{where}"
    value = formats.beside(outcome.value, expected.bound)
    line = f"{sign} {outcome.scenario}: {expected.figure} {value} "
    line += f"{expected.operator} {plain(expected.bound)}"
    if several:
        line += f" (worst of {outcome.trials} trials: #{outcome.trial})"
    return line


def as_json(outcome: Outcome) -> dict[str, object]:
    """An entry of "expectations" in summary.json."""
    return asdict(outcome)
