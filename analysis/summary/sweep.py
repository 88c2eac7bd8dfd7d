"""What a sweep found: a setting at several values, and where more of it stops paying."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from textwrap import wrap

from pydantic import TypeAdapter

from analysis.report.render import escape_markdown
from analysis.report.render import join_markdown as join_markdown_cells
from analysis.stats import formats
from analysis.summary.model import CellSummary
from analysis.summary.trials import collect_values, count_error_verdicts, group_completed_trials
from scenarios.sweep import SweepStep, format_setting_value

WORTH = 0.05
"""Of the throughput: what two runs of the same thing differ by on a machine that others share."""
WIDTH = 80
HEADINGS = ("ok rps", "predicted", "p50 ms", "p99 ms", "threads", "MiB", "CPU ms")
WIDTHS = (9, 11, 11, 11, 11, 9, 7, 9)
"""CPU: of the server, for one request."""


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """Of a manifest: which setting was varied, and which cells are its steps."""

    setting: str
    steps: tuple[SweepStep, ...]
    grows: str = ""
    """What a sweep of users moves along, in words."""


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """Medians over the trials. None where unknown. `doubts`: verdicts that are errors, and in how
    many of the trials."""

    value: float
    scenario: str
    trials: int
    ok_rps: float | None
    predicted_rps: float | None
    median_ms: float | None
    p99_ms: float | None
    threads: float | None
    rss_mib: float | None
    cpu_ms: float | None
    doubts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sweep:
    """Of one scenario, by value. `enough`: the value from which on (of a delay: up to which) the
    throughput is within WORTH of the highest; None where none was measured, and where shorter
    delays serve less."""

    scenario: str
    setting: str
    points: tuple[SweepPoint, ...]
    enough: float | None
    grows: str = ""


def parse_sweep_settings(content: object) -> SweepSettings | None:
    """As the manifest has it. Raises ValueError."""
    return None if content is None else TypeAdapter(SweepSettings).validate_python(content)


def summarize_sweeps(
    cells: Sequence[CellSummary], asked: SweepSettings | None
) -> tuple[Sweep, ...]:
    """Of each scenario of which a step ran to its end."""
    if asked is None:
        return ()
    trials = group_completed_trials(cells)
    bases = dict.fromkeys(step.base for step in asked.steps)
    found = (summarize_sweep(base, asked, trials) for base in bases)
    return tuple(each for each in found if each.points)


def summarize_sweep(
    base: str, asked: SweepSettings, trials: Mapping[str, Sequence[CellSummary]]
) -> Sweep:
    points = tuple(
        build_sweep_point(step, trials[step.scenario])
        for step in asked.steps
        if step.base == base and step.scenario in trials
    )
    return Sweep(
        base, asked.setting, points, find_sufficient_value(asked.setting, points), asked.grows
    )


def build_sweep_point(step: SweepStep, trials: Sequence[CellSummary]) -> SweepPoint:
    def middle(figure: str) -> float | None:
        found = collect_values(trials, figure)
        return median(found) if found else None

    return SweepPoint(
        value=step.value,
        scenario=step.scenario,
        trials=len(trials),
        ok_rps=middle("ok_rps"),
        predicted_rps=middle("predicted.ok_rps"),
        median_ms=middle("median_ms"),
        p99_ms=middle("p99_ms"),
        threads=middle("threads_spawned"),
        rss_mib=middle("rss_mib_peak"),
        cpu_ms=middle("cpu_ms_per_request"),
        doubts=count_error_verdicts(trials),
    )


def find_sufficient_value(setting: str, points: Sequence[SweepPoint]) -> float | None:
    """The cheapest with nearly all of the throughput: the smallest pool, the longest delay."""
    rates = {each.value: each.ok_rps for each in points if each.ok_rps}
    good = [value for value, rate in rates.items() if rate >= (1 - WORTH) * max(rates.values())]
    if not good:
        return None
    if setting != "delay":
        return min(good)
    shorter = [value for value in rates if value <= max(good)]
    return max(good) if set(shorter) <= set(good) else None


def describe_sufficient_value(found: Sweep) -> str:
    """Where it stops paying, in a sentence."""
    if not any(each.ok_rps for each in found.points):
        return f"{found.scenario}: nothing was answered at any value"
    if found.enough is None:
        return f"{found.scenario}: shorter delays serve less, so the delay is not what limits there"
    values = [each.value for each in found.points]
    enough = format_setting_value(found.setting, found.enough)
    most = max(each.ok_rps or 0.0 for each in found.points)
    if len(values) == 1:
        return f"{found.scenario}: only {found.setting} {enough} was measured"
    percent = f"{100 * WORTH:.0f} %"
    if found.setting == "delay":
        if found.enough == values[0]:
            return f"{found.scenario}: the delay is what limits, from {enough} on"
        return (
            f"{found.scenario}: a delay of up to {enough} costs less than {percent} of the "
            f"throughput ({formats.rate(most)} rps): until there something else limits"
        )
    if found.enough == values[-1]:
        return f"{found.scenario}: {found.setting} {enough} still paid, and no more was tried"
    return (
        f"{found.scenario}: more than {found.setting} {enough} stops paying: all beyond brings "
        f"less than {percent} (at the most {formats.rate(most)} rps){describe_harm(found, most)}"
    )


def describe_harm(found: Sweep, most: float) -> str:
    """Where the largest value is not only useless."""
    last = found.points[-1]
    if last.ok_rps is None or last.ok_rps >= (1 - WORTH) * most:
        return ""
    less = formats.percent(1 - last.ok_rps / most)
    return f"; {format_setting_value(found.setting, last.value)} serves {less} less than that"


def render_sweep_lines(found: Sequence[Sweep]) -> list[str]:
    """For a terminal of 80 columns; empty without a sweep."""
    told: list[str] = []
    for each in found:
        told += ["", f"{each.scenario} over --{each.setting}"]
        told += [
            align_columns(row) for row in (build_sweep_headings(each), *build_sweep_rows(each))
        ]
        told += [line for remark in write_sweep_remarks(each) for line in wrap(remark, WIDTH)]
    return told


def write_sweep_remarks(found: Sweep) -> list[str]:
    """What it comes to, and which steps not to believe."""
    told = [describe_sufficient_value(found)]
    if found.setting == "users" and found.grows:
        told.append(f"with the users grew {found.grows}, as the scenario has it")
    told += [
        f"{found.setting} {format_setting_value(found.setting, each.value)}: "
        f"{count} of {each.trials} trials say {code}"
        for each in found.points
        for code, count in each.doubts.items()
    ]
    return told


def render_sweep_markdown(found: Sequence[Sweep]) -> str:
    text = ""
    for each in found:
        heads = build_sweep_headings(each)
        rows = [join_markdown_cells(heads), join_markdown_cells(["---:"] * len(heads))]
        rows += [join_markdown_cells(row) for row in build_sweep_rows(each)]
        text += (
            f"\n**{escape_markdown(each.scenario)} over {each.setting}**\n\n"
            + "\n".join(rows)
            + "\n\n"
        )
        text += "".join(f"- {escape_markdown(remark)}\n" for remark in write_sweep_remarks(each))
    return text


def build_sweep_headings(found: Sweep) -> list[str]:
    return [found.setting, *HEADINGS]


def align_columns(cells: Sequence[str]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


def build_sweep_rows(found: Sweep) -> list[list[str]]:
    """The table's rows."""
    return [
        [
            format_setting_value(found.setting, each.value),
            formats.rate(each.ok_rps),
            formats.rate(each.predicted_rps),
            formats.milliseconds(each.median_ms),
            formats.milliseconds(each.p99_ms),
            formats.whole(each.threads),
            formats.whole(each.rss_mib),
            formats.milliseconds(each.cpu_ms),
        ]
        for each in found.points
    ]


def export_sweeps(found: Sequence[Sweep]) -> list[dict[str, object]]:
    """ "sweeps" in summary.json."""
    return [asdict(each) for each in found]
