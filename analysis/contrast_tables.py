"""The tables of `analysis.contrast`, for a terminal of 80 columns and for Markdown."""

from collections.abc import Sequence
from textwrap import wrap

from analysis import formats
from analysis.contrast import Contrast, Overall, Result, overall
from analysis.intervals import RatioInterval
from analysis.tables import escaped, table_row
from analysis.trials import WIDTH, Shown

NAME_WIDTH = 16


FIGURES = (
    Shown("ok_rps", "ok rps", 10, formats.rate),
    Shown("mean_ms", "mean ms", 9, formats.milliseconds),
    Shown("median_ms", "p50 ms", 9, formats.milliseconds),
    Shown("p99_ms", "p99 ms", 9, formats.milliseconds),
    Shown("bystander.median_ms", "others ms", 11, formats.milliseconds),
    Shown("rss_mib_peak", "MiB", 7, formats.whole),
    Shown("cpu_percent_peak", "CPU %", 7, formats.whole),
)
"""Others: the median of what a bystander waited."""
MORE = (
    Shown("p999_ms", "p99.9 ms", 9, formats.milliseconds),
    Shown("min_ms", "min ms", 8, formats.milliseconds),
    Shown("p95_ms", "p95 ms", 8, formats.milliseconds),
    Shown("max_ms", "max ms", 8, formats.milliseconds),
    Shown("success_ratio", "good", 8, formats.percent),
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


def contrast_lines(found: Sequence[Contrast]) -> list[str]:
    """For a terminal; empty where nothing stands side by side."""
    lines: list[str] = []
    for each in found:
        lines += ["", *wrap(f"{each.subject}, beside {each.base.contender}", WIDTH)]
        lines.append(" " * NAME_WIDTH + "".join(f"{f.heading:>{f.width}}" for f in FIGURES))
        lines += [figures_line(result) for result in each.results]
        lines.append(" " * NAME_WIDTH + "".join(f"{head:>{width}}" for head, _, width in RATIOS))
        lines += [ratios_line(result) for result in each.results if result.ratios]
        lines += [line for remark in remarks(each) for line in wrap(remark, WIDTH)]
    return lines + overall_lines(overall(found))


def figures_line(result: Result) -> str:
    figures = "".join(f"{f.text(result.figures.get(f.figure)):>{f.width}}" for f in FIGURES)
    return f"{result.contender[:NAME_WIDTH]:<{NAME_WIDTH}}{figures}"


def ratios_line(result: Result) -> str:
    ratios = "".join(f"{ratio_text(result.ratios[name]):>{width}}" for _, name, width in RATIOS)
    return f"{result.contender[:NAME_WIDTH]:<{NAME_WIDTH}}{ratios}"


def ratio_text(found: RatioInterval) -> str:
    """`4.32 [4.10–4.60]`."""
    if found.ratio is None:
        return formats.UNKNOWN
    middle = formats.times(found.ratio)
    if found.low is None or found.high is None:
        return middle
    return f"{middle} [{formats.times(found.low)}–{formats.times(found.high)}]"


def remarks(contrast: Contrast) -> list[str]:
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


def overall_lines(found: Sequence[Overall]) -> list[str]:
    if not found:
        return []
    base = found[0].contender
    lines = ["", f"over all {found[0].subjects}, beside {base} (geometric means of the ratios)"]
    lines.append(f"{'':<{NAME_WIDTH}}{'rps ×':>10}{'mean 1/×':>10}{'fastest on':>12}")
    for each in found:
        rps, latency = (ratio_or_unknown(r) for r in (each.throughput_ratio, each.latency_ratio))
        wins = f"{each.wins} of {each.subjects}"
        category = "" if each.contender == base else f"  {each.category or ''}"
        lines.append(
            f"{each.contender[:NAME_WIDTH]:<{NAME_WIDTH}}{rps:>10}{latency:>10}{wins:>12}{category}"
        )
    return lines


def ratio_or_unknown(ratio: float | None) -> str:
    return formats.UNKNOWN if ratio is None else formats.times(ratio)


def contrast_markdown(found: Sequence[Contrast]) -> str:
    """For summary.md, with every figure and ratio; empty where nothing stands side by side."""
    return "".join(one_markdown(each) for each in found) + overall_markdown(overall(found))


def one_markdown(contrast: Contrast) -> str:
    figures, ratios = (*FIGURES, *MORE), (*RATIOS, *MORE_RATIOS)
    lines = [
        "",
        f"**{escaped(contrast.subject)}, beside {escaped(contrast.base.contender)}**",
        "",
        table_row(["", "trials", *(figure.heading for figure in figures)]),
        table_row(["---", *("---:" for _ in range(len(figures) + 1))]),
    ]
    for each in contrast.results:
        shown = [figure.text(each.figures.get(figure.figure)) for figure in figures]
        lines.append(table_row([each.contender, formats.whole(each.trials), *shown]))
    lines += ["", table_row(["", *(head for head, _, _ in ratios), "rps"])]
    lines.append(table_row(["---", *("---:" for _ in range(len(ratios))), "---"]))
    for each in contrast.results:
        if each.ratios:
            told = [ratio_text(each.ratios[name]) for _, name, _ in ratios]
            lines.append(table_row([each.contender, *told, each.category or ""]))
    if told := remarks(contrast):
        lines += ["", *(f"- {escaped(remark)}" for remark in told)]
    return "\n".join(lines) + "\n"


def overall_markdown(found: Sequence[Overall]) -> str:
    if not found:
        return ""
    lines = [
        "",
        f"**Over all {found[0].subjects}, beside {escaped(found[0].contender)}** "
        "(geometric means of the ratios)",
        "",
        table_row(["", "rps ×", "mean 1/×", "fastest on", ""]),
        table_row(["---", "---:", "---:", "---:", "---"]),
    ]
    for each in found:
        rps, latency = (ratio_or_unknown(r) for r in (each.throughput_ratio, each.latency_ratio))
        wins = f"{each.wins} of {each.subjects}"
        lines.append(table_row([each.contender, rps, latency, wins, each.category or ""]))
    return "\n".join(lines) + "\n"
