"""Comparison of run B with run A: their environments, then figure by figure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from analysis.metrics import list_metrics
from analysis.stats import formats
from analysis.stats.intervals import RatioInterval, compute_ratio_interval, find_pair_rank
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users
from analysis.summary.run import ensure_list
from analysis.summary.trials import collect_values, count_error_verdicts, group_completed_trials

Change = Literal[
    "not measured in A", "not measured in B", "both 0", "too few trials", "no difference seen",
    "higher", "lower",
]  # fmt: skip
ENVIRONMENT = (
    "cpu", "cores", "os", "machine", "python", "implementation", "gil", "debugging", "go",
)  # fmt: skip
PACKAGES, MEMORY = "environment.packages.", "environment.memory_mib"
OPTIONS = "options."
WORKERS = "distribution.expect_workers"
MEMORY_TOLERANCE = 0.01
"""Two machines of one kind differ by the memory that their firmware reserves."""
WORDS = ("question", "expect", "why", "group")
"""A scenario's descriptive fields, which do not change the run."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """`a` and `b`: medians over the trials, None where no trial measured it. `change`: of B
    compared with A."""

    figure: str
    a: float | None
    b: float | None
    ratio: RatioInterval
    change: Change


@dataclass(frozen=True, slots=True)
class ScenarioComparison:
    """`starved_a` and `starved_b`: trials whose latencies lack the unanswered requests. `errors_a`
    and `errors_b`: how many trials have each verdict that is an error."""

    scenario: str
    trials_a: int
    trials_b: int
    starved_a: int
    starved_b: int
    errors_a: Mapping[str, int]
    errors_b: Mapping[str, int]
    figures: tuple[FigureComparison, ...]

    @property
    def sides(self) -> tuple[tuple[str, Mapping[str, int], int], ...]:
        """Each side's letter, errors and number of trials."""
        return ("A", self.errors_a, self.trials_a), ("B", self.errors_b, self.trials_b)


@dataclass(frozen=True, slots=True)
class Comparison:
    scenarios: tuple[ScenarioComparison, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    interrupted_a: int = 0
    interrupted_b: int = 0
    """Cells that were cut short; they do not count as trials."""


def list_differences(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    """List the differences of two manifests, except in the code under study, one line each."""
    all_a, all_b = dict(flatten_settings(a)), dict(flatten_settings(b))
    names = {f"environment.{name}": name for name in ENVIRONMENT}
    packages = sorted(key for key in {*all_a, *all_b} if key.startswith(PACKAGES))
    names |= {
        key: key.removeprefix(OPTIONS) for key in {**all_a, **all_b} if key.startswith(OPTIONS)
    }
    found = [
        *compare_settings(all_a, all_b, names | {WORKERS: "load workers on other machines"}),
        *compare_memory(all_a, all_b),
        *compare_settings(all_a, all_b, {key: key.removeprefix(PACKAGES) for key in packages}),
    ]
    asked_a, asked_b = read_scenarios(a), read_scenarios(b)
    for name in (name for name in asked_a if name in asked_b):
        keys = {key: f"{name} {key}" for key in (*asked_a[name], *asked_b[name])}
        found += compare_settings(asked_a[name], asked_b[name], keys)
    return found


def compare_settings(
    a: Mapping[str, object], b: Mapping[str, object], names: Mapping[str, str]
) -> Iterator[str]:
    for key, name in names.items():
        if a.get(key) != b.get(key):
            yield f"{name} is {format_setting(a.get(key))} in A, {format_setting(b.get(key))} in B"


def format_setting(value: object) -> str:
    """Format a float as typed, without the rounding error of a product."""
    if value is None:
        return "none"
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def compare_memory(a: Mapping[str, object], b: Mapping[str, object]) -> Iterator[str]:
    in_a, in_b = a.get(MEMORY), b.get(MEMORY)
    if not isinstance(in_a, int | float) or not isinstance(in_b, int | float):
        yield from compare_settings(a, b, {MEMORY: "memory_mib"})
    elif abs(in_a - in_b) > MEMORY_TOLERANCE * max(in_a, in_b):
        yield f"memory is {formats.whole(in_a)} MiB in A, {formats.whole(in_b)} MiB in B"


def ensure_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def read_scenarios(manifest: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Map each scenario's name to its settings with dotted names."""
    entries = [ensure_mapping(each) for each in ensure_list(manifest.get("scenarios"))]
    return {str(each.get("name")): dict(flatten_settings(each)) for each in entries}


def flatten_settings(entry: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in entry.items():
        if isinstance(value, dict):
            yield from flatten_settings(value, f"{prefix}{key}.")
        elif prefix or key not in WORDS:
            yield prefix + key, value


def compare_runs(cells_a: Sequence[CellSummary], cells_b: Sequence[CellSummary]) -> Comparison:
    a, b = group_completed_trials(cells_a), group_completed_trials(cells_b)
    return Comparison(
        scenarios=tuple(compare_scenario(name, a[name], b[name]) for name in a if name in b),
        only_a=tuple(name for name in a if name not in b),
        only_b=tuple(name for name in b if name not in a),
        interrupted_a=sum(cell.interrupted is not None for cell in cells_a),
        interrupted_b=sum(cell.interrupted is not None for cell in cells_b),
    )


def compare_scenario(
    scenario: str, a: Sequence[CellSummary], b: Sequence[CellSummary]
) -> ScenarioComparison:
    keys = [each.key for each in list_metrics("compare")]
    pairs = {key: (collect_values(a, key), collect_values(b, key)) for key in keys}
    return ScenarioComparison(
        scenario=scenario,
        trials_a=len(a),
        trials_b=len(b),
        starved_a=sum(has_starved_users(cell) for cell in a),
        starved_b=sum(has_starved_users(cell) for cell in b),
        errors_a=count_error_verdicts(a),
        errors_b=count_error_verdicts(b),
        figures=tuple(
            compare_figure(key, in_a, in_b) for key, (in_a, in_b) in pairs.items() if in_a or in_b
        ),
    )


def compare_figure(figure: str, a: Sequence[float], b: Sequence[float]) -> FigureComparison:
    ratio = compute_ratio_interval(a, b, CONFIDENCE)
    return FigureComparison(
        figure=figure,
        a=median(a) if a else None,
        b=median(b) if b else None,
        ratio=ratio,
        change=find_change(a, b, ratio),
    )


def find_change(a: Sequence[float], b: Sequence[float], ratio: RatioInterval) -> Change:
    """Classify the change. Two runs are never called equal: "no difference seen" allows any
    difference inside the interval."""
    if not a or not b:
        return "not measured in B" if a else "not measured in A"
    if not any((*a, *b)):
        return "both 0"
    if ratio.other_is is not None:
        return ratio.other_is
    # True if even completely separate values would not count as a difference
    too_few = find_pair_rank(len(a), len(b), CONFIDENCE)[0] == 0
    return "too few trials" if too_few else "no difference seen"
