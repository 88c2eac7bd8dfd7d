"""The tables of `analysis.summary.contrast`, for a terminal of 80 columns and for Markdown."""

from collections.abc import Sequence
from textwrap import wrap

from analysis.report.render import escape_markdown
from analysis.report.render import join_markdown as join_markdown_cells
from analysis.stats import formats
from analysis.stats.intervals import RatioInterval
from analysis.summary.contrast import Contrast, ContrastResult, OverallResult, compute_overall
from analysis.summary.trials import WIDTH, TrialColumn

NAME_WIDTH = 16


FIGURES = (
    TrialColumn("ok_rps", "ok rps", 10, formats.rate),
    TrialColumn("mean_ms", "mean ms", 9, formats.milliseconds),
    TrialColumn("median_ms", "p50 ms", 9, formats.milliseconds),
    TrialColumn("p99_ms", "p99 ms", 9, formats.milliseconds),
    TrialColumn("bystander.median_ms", "others ms", 11, formats.milliseconds),
    TrialColumn("rss_mib_peak", "MiB", 7, formats.whole),
    TrialColumn("cpu_percent_peak", "CPU %", 7, formats.whole),
)
"""Others: the median of what a bystander waited."""
MORE = (
    TrialColumn("p999_ms", "p99.9 ms", 9, formats.milliseconds),
    TrialColumn("min_ms", "min ms", 8, formats.milliseconds),
    TrialColumn("p95_ms", "p95 ms", 8, formats.milliseconds),
    TrialColumn("max_ms", "max ms", 8, formats.milliseconds),
    TrialColumn("success_ratio", "good", 8, formats.percent),
)
"""In Markdown and on the page, where there is room."""
RATIOS = (
    ("rps ×", "ok_rps", 22),
    ("p50 1/×", "median_ms", 21),
    ("p99 1/×", "p99_ms", 21),
)
MORE_RATIOS = (
    ("p99.9 1/×", "p999_ms", 0),
    ("others 1/×", "bystander.median_ms", 0),
    ("MiB ×", "rss_mib_peak", 0),
    ("CPU ×", "cpu_percent_peak", 0),
    ("CPU a request ×", "cpu_ms_per_request", 0),
)


def render_contrast_lines(found: Sequence[Contrast]) -> list[str]:
    """For a terminal; empty where nothing stands side by side."""
    lines: list[str] = []
    for each in found:
        lines += ["", *wrap(f"{each.subject}, beside {each.base.contender}", WIDTH)]
        lines.append(" " * NAME_WIDTH + "".join(f"{f.heading:>{f.width}}" for f in FIGURES))
        lines += [render_figures_line(result) for result in each.results]
        lines.append(" " * NAME_WIDTH + "".join(f"{head:>{width}}" for head, _, width in RATIOS))
        lines += [render_ratios_line(result) for result in each.results if result.ratios]
        lines += [line for remark in write_contrast_remarks(each) for line in wrap(remark, WIDTH)]
    return lines + render_overall_lines(compute_overall(found))


def render_figures_line(result: ContrastResult) -> str:
    figures = "".join(f"{f.text(result.figures.get(f.figure)):>{f.width}}" for f in FIGURES)
    return f"{result.contender[:NAME_WIDTH]:<{NAME_WIDTH}}{figures}"


def render_ratios_line(result: ContrastResult) -> str:
    ratios = "".join(
        f"{format_ratio_interval(result.ratios[name]):>{width}}" for _, name, width in RATIOS
    )
    return f"{result.contender[:NAME_WIDTH]:<{NAME_WIDTH}}{ratios}"


def format_ratio_interval(found: RatioInterval) -> str:
    """`4.32 [4.10–4.60]`."""
    if found.ratio is None:
        return formats.UNKNOWN
    middle = formats.short_ratio(found.ratio)
    if found.low is None or found.high is None:
        return middle
    return f"{middle} [{formats.short_ratio(found.low)}–{formats.short_ratio(found.high)}]"


def write_contrast_remarks(contrast: Contrast) -> list[str]:
    """Why there are no intervals, which differences are none, and whom not to believe."""
    told = []
    why = {each.ratios["ok_rps"].why_none for each in contrast.results if each.ratios}
    told += [f"no intervals: {reason}" for reason in sorted(filter(None, why))]
    undecided = [
        each.contender
        for each in contrast.results
        if each.ratios and each.ratios["ok_rps"].low and each.ratios["ok_rps"].other_is is None
    ]
    if undecided:
        told.append(
            f"no difference in rps to {contrast.base.contender} is shown for "
            f"{', '.join(undecided)}: the interval holds 1"
        )
    told += [
        f"{each.contender}: {count} of {each.trials} trials say {code}"
        for each in contrast.results
        for code, count in each.doubts.items()
    ]
    return told


def render_overall_lines(found: Sequence[OverallResult]) -> list[str]:
    if not found:
        return []
    base = found[0].contender
    lines = ["", f"over all {found[0].subjects}, beside {base} (geometric means of the ratios)"]
    lines.append(f"{'':<{NAME_WIDTH}}{'rps ×':>10}{'mean 1/×':>10}{'fastest on':>12}")
    for each in found:
        rps, latency = (format_ratio(r) for r in (each.throughput_ratio, each.latency_ratio))
        wins = f"{each.wins} of {each.subjects}"
        category = "" if each.contender == base else f"  {each.category or ''}"
        lines.append(
            f"{each.contender[:NAME_WIDTH]:<{NAME_WIDTH}}{rps:>10}{latency:>10}{wins:>12}{category}"
        )
    return lines


def format_ratio(ratio: float | None) -> str:
    return formats.UNKNOWN if ratio is None else formats.short_ratio(ratio)


def render_contrast_markdown(found: Sequence[Contrast]) -> str:
    """For summary.md, with every figure and ratio; empty where nothing stands side by side."""
    return "".join(render_subject_markdown(each) for each in found) + render_overall_markdown(
        compute_overall(found)
    )


def render_subject_markdown(contrast: Contrast) -> str:
    figures, ratios = (*FIGURES, *MORE), (*RATIOS, *MORE_RATIOS)
    lines = [
        "",
        f"**{escape_markdown(contrast.subject)}, "
        f"beside {escape_markdown(contrast.base.contender)}**",
        "",
        join_markdown_cells(["", "trials", *(figure.heading for figure in figures)]),
        join_markdown_cells(["---", *("---:" for _ in range(len(figures) + 1))]),
    ]
    for each in contrast.results:
        shown = [figure.text(each.figures.get(figure.figure)) for figure in figures]
        lines.append(join_markdown_cells([each.contender, formats.whole(each.trials), *shown]))
    lines += ["", join_markdown_cells(["", *(head for head, _, _ in ratios), "rps"])]
    lines.append(join_markdown_cells(["---", *("---:" for _ in range(len(ratios))), "---"]))
    for each in contrast.results:
        if each.ratios:
            told = [format_ratio_interval(each.ratios[name]) for _, name, _ in ratios]
            lines.append(join_markdown_cells([each.contender, *told, each.category or ""]))
    if told := write_contrast_remarks(contrast):
        lines += ["", *(f"- {escape_markdown(remark)}" for remark in told)]
    return "\n".join(lines) + "\n"


def render_overall_markdown(found: Sequence[OverallResult]) -> str:
    if not found:
        return ""
    lines = [
        "",
        f"**Over all {found[0].subjects}, beside {escape_markdown(found[0].contender)}** "
        "(geometric means of the ratios)",
        "",
        join_markdown_cells(["", "rps ×", "mean 1/×", "fastest on", ""]),
        join_markdown_cells(["---", "---:", "---:", "---:", "---"]),
    ]
    for each in found:
        rps, latency = (format_ratio(r) for r in (each.throughput_ratio, each.latency_ratio))
        wins = f"{each.wins} of {each.subjects}"
        lines.append(join_markdown_cells([each.contender, rps, latency, wins, each.category or ""]))
    return "\n".join(lines) + "\n"
