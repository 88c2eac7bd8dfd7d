"""Is run B different from run A: what was unlike around them, then figure by figure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from textwrap import wrap

from analysis.stats import formats
from analysis.stats.intervals import RatioInterval, compute_ratio_interval, find_pair_rank
from analysis.summary.model import CellSummary
from analysis.summary.predicates import has_starved_users
from analysis.summary.trials import collect_values, group_completed_trials

FIGURES: Mapping[str, Callable[[float | None], str]] = {
    "ok_rps": formats.rate,
    "median_ms": formats.milliseconds,
    "p99_ms": formats.milliseconds,
    "mean_ms": formats.milliseconds,
    "failure_ratio": formats.percent,
    "unfinished": formats.decimal,
    "threads_spawned": formats.decimal,
    "cpu_percent_peak": formats.decimal,
    "rss_mib_peak": formats.decimal,
}
ENVIRONMENT = ("cpu", "cores", "os", "machine", "python", "implementation", "gil", "go")
MEMORY_TOLERANCE = 0.01
"""Two machines of one kind differ by what their firmware keeps to itself."""
WORDS = ("question", "expect", "why", "group")
"""Of a scenario: what is said about it, not what is run."""
CONFIDENCE = 0.95
TOO_FEW = "too few trials to tell"
WIDTH = 80


@dataclass(frozen=True, slots=True)
class FigureComparison:
    """`a` and `b` are medians over the trials, None where none measured it."""

    figure: str
    a: float | None
    b: float | None
    ratio: RatioInterval
    verdict: str


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
    pairs = {name: (collect_values(a, name), collect_values(b, name)) for name in FIGURES}
    return ScenarioComparison(
        scenario=scenario,
        trials_a=len(a),
        trials_b=len(b),
        starved_a=sum(has_starved_users(cell) for cell in a),
        starved_b=sum(has_starved_users(cell) for cell in b),
        figures=tuple(
            compare_figure(name, in_a, in_b) for name, (in_a, in_b) in pairs.items() if in_a or in_b
        ),
    )


def compare_figure(figure: str, a: Sequence[float], b: Sequence[float]) -> FigureComparison:
    ratio = compute_ratio_interval(a, b, CONFIDENCE)
    return FigureComparison(
        figure=figure,
        a=median(a) if a else None,
        b=median(b) if b else None,
        ratio=ratio,
        verdict=describe_change(a, b, ratio),
    )


def describe_change(a: Sequence[float], b: Sequence[float], ratio: RatioInterval) -> str:
    """Never that two are the same: "no difference seen" leaves what the interval leaves."""
    if not a or not b:
        return f"not measured in {'B' if a else 'A'}"
    if not any((*a, *b)):
        return "both 0"
    if ratio.other_is is None:
        return TOO_FEW if has_too_few_trials(a, b) else "no difference seen"
    if ratio.ratio is None:
        return f"B is {ratio.other_is}"
    return f"B is {formats.short_ratio(ratio.ratio)} × A"


def has_too_few_trials(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether not even values that lie fully apart would count as a difference."""
    return find_pair_rank(len(a), len(b), CONFIDENCE)[0] == 0


def render_comparison_lines(comparison: Comparison) -> list[str]:
    """For a terminal of 80 columns."""
    lines = [f"{'':<18}{'A':>9}{'B':>9}{'p':>8}  B / A [low–high]"]
    for scenario in comparison.scenarios:
        lines.append(f"{scenario.scenario}, {scenario.trials_a} v {scenario.trials_b} trials")
        lines += [render_comparison_row(each) for each in scenario.figures]
    for remark in write_comparison_remarks(comparison):
        lines += wrap(remark, WIDTH, subsequent_indent="  ")
    return lines


def render_comparison_row(compared: FigureComparison) -> str:
    text, ratio = FIGURES[compared.figure], compared.ratio
    found = compared.verdict
    if found == TOO_FEW and ratio.ratio is not None:
        found = f"{formats.short_ratio(ratio.ratio)}, {TOO_FEW}"
    if ratio.low is not None and ratio.high is not None:
        found += f" [{formats.short_ratio(ratio.low)}–{formats.short_ratio(ratio.high)}]"
    a, b, p = text(compared.a), text(compared.b), formats.p_value(ratio.p, ratio.p_is_exact)
    return f"  {compared.figure:<16}{a:>9}{b:>9}{p:>8}  {found}"


def write_comparison_remarks(comparison: Comparison) -> list[str]:
    figures = [each for scenario in comparison.scenarios for each in scenario.figures]
    unsure = [each.ratio for each in figures if each.verdict == TOO_FEW]
    found = list(dict.fromkeys(each.why_none for each in unsure if each.ratio and each.why_none))
    if tested := [each for each in figures if each.ratio.coverage is not None]:
        share = formats.percent(CONFIDENCE)
        by_chance = formats.decimal((1 - CONFIDENCE) * len(tested))
        found.append(
            f"[low–high] holds the true ratio in {share} of cases or more (exact ranks); were "
            f"nothing different, up to {by_chance} of these {len(tested)} would leave out 1"
        )
    if any(each.ratio.p_is_exact is False for each in figures):
        found.append(
            "~p: approximate, for many trials or many ties (which count against a difference)"
        )
    found += [
        write_starvation_remark(each) for each in comparison.scenarios if count_starved_trials(each)
    ]
    if comparison.interrupted_a or comparison.interrupted_b:
        found.append(
            f"cut short and left out: {comparison.interrupted_a} cells of A, "
            f"{comparison.interrupted_b} of B"
        )
    found += [f"only in A: {', '.join(comparison.only_a)}"] if comparison.only_a else []
    found += [f"only in B: {', '.join(comparison.only_b)}"] if comparison.only_b else []
    return found


def count_starved_trials(compared: ScenarioComparison) -> int:
    return compared.starved_a + compared.starved_b


def write_starvation_remark(compared: ScenarioComparison) -> str:
    return (
        f"{compared.scenario}: requests stayed unanswered in {compared.starved_a} of "
        f"{compared.trials_a} trials of A and {compared.starved_b} of {compared.trials_b} of B; "
        "they are missing from its latencies"
    )


def export_comparison(comparison: Comparison) -> dict[str, object]:
    return asdict(comparison)
