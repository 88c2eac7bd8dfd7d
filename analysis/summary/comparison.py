"""Is run B different from run A: what was unlike around them, then figure by figure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from analysis.metrics import list_metrics
from analysis.stats import formats
from analysis.stats.intervals import RatioInterval, compute_ratio_interval, find_pair_rank
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users
from analysis.summary.trials import collect_values, group_completed_trials

Change = Literal[
    "not measured in A", "not measured in B", "both 0", "too few trials", "no difference seen",
    "higher", "lower",
]  # fmt: skip
ENVIRONMENT = ("cpu", "cores", "os", "machine", "python", "implementation", "gil", "go")
MEMORY_TOLERANCE = 0.01
"""Two machines of one kind differ by what their firmware keeps to itself."""
WORDS = ("question", "expect", "why", "group")
"""Of a scenario: what is said about it, not what is run."""
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """`a` and `b` are medians over the trials, None where none measured it. `change`: what B is."""

    figure: str
    a: float | None
    b: float | None
    ratio: RatioInterval
    change: Change


@dataclass(frozen=True, slots=True)
class ScenarioComparison:
    """`starved_a` and `starved_b`: trials whose latencies lack the unanswered requests."""

    scenario: str
    trials_a: int
    trials_b: int
    starved_a: int
    starved_b: int
    figures: tuple[FigureComparison, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    scenarios: tuple[ScenarioComparison, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    interrupted_a: int = 0
    interrupted_b: int = 0
    """Cells that were cut short: they are no trials, and left out."""


def list_differences(a: Mapping[str, object], b: Mapping[str, object]) -> list[str]:
    """What two manifests have unlike, other than the code under study: a line each."""
    around_a, around_b = ensure_mapping(a.get("environment")), ensure_mapping(b.get("environment"))
    packages_a, packages_b = (
        ensure_mapping(around_a.get("packages")),
        ensure_mapping(around_b.get("packages")),
    )
    memory = compare_memory(around_a.get("memory_mib"), around_b.get("memory_mib"))
    found = compare_entries("", around_a, around_b, ENVIRONMENT)
    elsewhere = [ensure_mapping(each.get("distribution")).get("expect_workers") for each in (a, b)]
    found += compare_entries(
        "",
        {"load workers elsewhere": elsewhere[0]},
        {"load workers elsewhere": elsewhere[1]},
        ("load workers elsewhere",),
    )
    found += [memory] if memory else []
    found += compare_entries("", packages_a, packages_b, sorted({*packages_a, *packages_b}))
    asked_a, asked_b = read_scenarios(a), read_scenarios(b)
    for name in (name for name in asked_a if name in asked_b):
        fields = dict.fromkeys((*asked_a[name], *asked_b[name]))
        found += compare_entries(f"{name} ", asked_a[name], asked_b[name], fields)
    return found


def compare_entries(
    prefix: str, a: Mapping[str, object], b: Mapping[str, object], names: Iterable[str]
) -> list[str]:
    lines = (compare_setting(prefix + name, a.get(name), b.get(name)) for name in names)
    return [line for line in lines if line is not None]


def compare_setting(name: str, a: object, b: object) -> str | None:
    return None if a == b else f"{name} is {format_setting(a)} in A, {format_setting(b)} in B"


def compare_memory(a: object, b: object) -> str | None:
    if isinstance(a, int | float) and isinstance(b, int | float):
        if abs(a - b) <= MEMORY_TOLERANCE * max(a, b):
            return None
        return f"memory is {formats.whole(a)} MiB in A, {formats.whole(b)} MiB in B"
    return compare_setting("memory_mib", a, b)


def format_setting(value: object) -> str:
    return "none" if value is None else str(value)


def ensure_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def read_scenarios(manifest: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """By name, their settings under dotted names."""
    listed = manifest.get("scenarios")
    entries = [ensure_mapping(each) for each in listed] if isinstance(listed, list) else []
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
        interrupted_a=count_interrupted(cells_a),
        interrupted_b=count_interrupted(cells_b),
    )


def count_interrupted(cells: Sequence[CellSummary]) -> int:
    return sum(cell.interrupted is not None for cell in cells)


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
    """Never that two are the same: "no difference seen" leaves what the interval leaves."""
    if not a or not b:
        return "not measured in B" if a else "not measured in A"
    if not any((*a, *b)):
        return "both 0"
    if ratio.other_is is None:
        return "too few trials" if has_too_few_trials(a, b) else "no difference seen"
    return ratio.other_is


def has_too_few_trials(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether not even values that lie fully apart would count as a difference."""
    return find_pair_rank(len(a), len(b), CONFIDENCE)[0] == 0
