"""Thresholds that a run must meet: parsed and validated before it, judged after it."""

import math
import operator
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from analysis.metrics import METRICS, get_metric, get_value
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users
from analysis.summary.trials import count_error_verdicts
from records.parse_json import LARGEST
from scenarios.catalogue import CATALOGUE, GROUPS
from scenarios.errors import UserError, suggest_name
from scenarios.model import Library
from scenarios.units import format_plain_number
from scenarios.user_files import read_user_file

HOLDS: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
UNBELIEVABLE = (
    "LITTLE_MISMATCH", "OVERLOADED", "GENERATOR_SATURATED", "COUNTS_DISAGREE", "LOAD_PROCESS_DIED",
    "MACHINE_PAUSED", "GENERATOR_PAUSED", "UPSTREAM_LATE",
)  # fmt: skip
"""Verdicts that keep a cell's latencies from passing any threshold."""
OF_PROBE = ("loop_", "pool_", "threads_", "executor.")
"""Beginnings of the figures that the probe measures."""
EVERY = "*"
MOST_BYTES = 1_000_000
EXAMPLE = "'async-http-shared: failures == 0, p99_ms < 1200'"

_CONDITION = re.compile(r"([a-z]\w*(?:\.\w+)*)\s*([<>=!]+)\s*(\S+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Threshold:
    """`target`: a scenario, a group or `*`. `bound`: in the figure's unit."""

    target: str
    figure: str
    operator: str
    bound: float

    def __str__(self) -> str:
        return f"{self.figure} {self.operator} {format_plain_number(self.bound)}"


@dataclass(frozen=True, slots=True)
class ThresholdOutcome:
    """`value`: the worst trial's, `trial`: its number, `trials`: how many were judged. `why`: the
    reason why a figure could not be judged; it then has no value."""

    scenario: str
    expectation: Threshold
    met: bool
    value: float | None
    trial: int | None
    trials: int
    why: str | None


def parse_thresholds(text: str) -> tuple[Threshold, ...]:
    """Parse `scenario: figure < number, …`. Raises UserError."""
    target, colon, conditions = text.partition(":")
    if not colon or not target.strip():
        raise UserError(f"expectation {text!r}: name a scenario, a group or *, as in {EXAMPLE}")
    return tuple(parse_threshold(target.strip(), each) for each in conditions.split(","))


def parse_threshold(target: str, text: str) -> Threshold:
    match = _CONDITION.fullmatch(text.strip())
    if match is None:
        raise UserError(
            f"expectation {text.strip()!r} of {target}: "
            "give a figure, a comparison and a number, such as 'p99_ms < 1200'"
        )
    figure, sign, number = match.groups()
    if sign not in HOLDS:
        raise UserError(f"expectation {match[0]!r}: {sign!r} is not one of {' '.join(HOLDS)}")
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not abs(bound) <= LARGEST:  # nan neither
        raise UserError(
            f"expectation {match[0]!r}: {number!r} is not a plain number; "
            "use the figure's unit, so 1200 for 1200 ms"
        )
    return Threshold(target, figure, sign, bound)


def read_thresholds(path: Path) -> tuple[Threshold, ...]:
    """Read tables for scenarios, groups or "*", such as `p99_ms = "< 1200"`. Raises UserError."""
    written = read_user_file(path, f"{path}: cannot read the expectations", MOST_BYTES)
    try:
        content = tomllib.loads(written.decode())
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: this is not valid TOML ({reason})") from error
    found: list[Threshold] = []
    for target, table in content.items():
        if not isinstance(table, dict):
            raise UserError(f"{path}: put {target} into a table such as [{GROUPS[0]}]")
        found += [parse_threshold(target, text) for text in iterate_conditions(path, table)]
    if not found:
        raise UserError(f"{path}: the file has no expectations")
    return tuple(found)


def iterate_conditions(path: Path, table: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    """Iterate over conditions; TOML reads `bystander.p99_ms = …` as a nested table."""
    for key, value in table.items():
        figure = prefix + key
        if isinstance(value, dict):
            yield from iterate_conditions(path, value, f"{figure}.")
            continue
        for each in value if isinstance(value, list) else [value]:
            if not isinstance(each, str):
                raise UserError(f'{path}: {figure} = {each!r}: use a string such as "< 1200"')
            yield f"{figure} {each}"


def validate_thresholds(expectations: Sequence[Threshold], scenarios: Sequence[str]) -> None:
    """Raise UserError for a figure that no cell has, or a target that is not in the run."""
    figures = [each.key for each in METRICS]
    groups = tuple(group for group in GROUPS if select_scenarios(group, scenarios))
    for each in expectations:
        if each.figure not in figures:
            close = suggest_name(each.figure, figures) or "use a name from summary.json"
            raise UserError(f"expectation {each}: there is no figure {each.figure!r}; {close}")
        if not select_scenarios(each.target, scenarios):
            names = (*scenarios, *groups)
            close = suggest_name(each.target, names) or f"use one of {', '.join(names)}"
            raise UserError(f"expectation {each}: this run has no {each.target!r}; {close}")


def select_scenarios(target: str, scenarios: Sequence[str]) -> list[str]:
    """Select the scenarios that the target matches."""
    return [name for name in scenarios if target in (EVERY, name, find_group(name))]


def find_group(scenario: str) -> str | None:
    """Find a scenario's group, also for a variant with a client library as suffix."""
    names = {scenario, *(scenario.removesuffix(f"-{library}") for library in get_args(Library))}
    return next((entry.group for entry in CATALOGUE if entry.name in names), None)


def judge_thresholds(
    expectations: Sequence[Threshold],
    cells: Sequence[CellSummary],
    scenarios: Sequence[str] = (),
    asked_trials: int = 1,
) -> tuple[ThresholdOutcome, ...]:
    """Judge each expectation for each scenario that it matches. `scenarios` should have run
    `asked_trials` times each: they show that a cell is missing."""
    names = tuple(dict.fromkeys((*scenarios, *(cell.scenario for cell in cells))))
    return tuple(
        judge_threshold(each, name, [cell for cell in cells if cell.scenario == name], asked_trials)
        for each in expectations
        for name in select_scenarios(each.target, names) or [each.target]
    )


def judge_threshold(
    expectation: Threshold, scenario: str, trials: Sequence[CellSummary], asked_trials: int
) -> ThresholdOutcome:
    """Require it in every trial; a trial that cannot be judged counts as failed."""

    def build_unjudged(why: str, trial: int | None = None) -> ThresholdOutcome:
        return ThresholdOutcome(scenario, expectation, False, None, trial, len(trials), why)

    if not trials:
        return build_unjudged("no trial was measured")
    values: list[tuple[float, int]] = []
    for cell in trials:
        if cell.interrupted is not None:
            return build_unjudged("interrupted", cell.trial)
        value = get_value(cell, expectation.figure)
        if value is None or counts_nothing(cell, expectation.figure):
            return build_unjudged("not measured", cell.trial)
        if doubt := find_doubt(cell, expectation.figure):
            near = formats.near_bound(value, expectation.bound)
            return build_unjudged(f"{near}, but {doubt}", cell.trial)
        values.append((value, cell.trial))
    if len(trials) < asked_trials:
        return build_unjudged(f"only {len(trials)} of {asked_trials} trials were measured")
    value, trial = max(values, key=lambda pair: compute_excess(pair[0], expectation))
    met = HOLDS[expectation.operator](value, expectation.bound)
    return ThresholdOutcome(scenario, expectation, met, value, trial, len(trials), None)


def counts_nothing(cell: CellSummary, figure: str) -> bool:
    """Return True for zeros that prove nothing: no failure of no request, and every figure of an
    open loop whose window had no arrival."""
    if cell.open_loop is not None and not cell.open_loop.offered_rps:
        return True
    counted = {
        "failures": cell.requests,
        "whole_run.failures": cell.whole_run.requests,
        "bystander.failures": cell.bystander.pings,
        "bystander.unanswered": cell.bystander.pings,
    }
    return any(figure.startswith(name) and not number for name, number in counted.items())


def find_doubt(cell: CellSummary, figure: str) -> str | None:
    """Find the verdict that keeps this figure from passing a threshold: a latency, or a figure of
    a probe that stopped. With starved users, latencies that count unanswered requests by their age
    may still pass."""
    known: tuple[str, ...] = UNBELIEVABLE if figure.endswith("_ms") else ()
    if figure.startswith(OF_PROBE):
        known += ("PROBE_STOPPED",)
    if errors := [each for each in count_error_verdicts([cell]) if each in known]:
        return errors[0]
    if not figure.endswith("_ms"):
        return None
    counts_them = figure.startswith("bystander.") or not get_metric(figure).is_latency
    return None if counts_them or not has_starved_users(cell) else "UNFINISHED"


def compute_excess(value: float, expectation: Threshold) -> float:
    """Compute how far the value is on the wrong side of the bound: larger is worse."""
    beyond = value - expectation.bound
    if expectation.operator in ("==", "!="):
        beyond = abs(beyond)
    return -beyond if expectation.operator in ("!=", ">", ">=") else beyond
