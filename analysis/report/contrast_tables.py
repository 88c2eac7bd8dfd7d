"""The tables of `analysis.summary.contrast`: figures, ratios, and all subjects together."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from analysis.metrics import list_metrics
from analysis.report.interval_words import explain_missing, name_reasons
from analysis.report.table import Column, Row, Table, build_column
from analysis.stats import formats
from analysis.stats.intervals import RatioInterval
from analysis.summary.contrast import Contrast, OverallResult, compute_overall

NAMES = Column("", is_text=True, width=16)
FIGURES_THAT_FIT, RATIOS_THAT_FIT = 7, 3
"""In the 80 columns of a terminal; Markdown and the page have room for all."""
RATIO_ROOM = 20


def build_contrast_tables(
    contrast: Contrast, *, narrow: bool, corner: str = ""
) -> tuple[Table, Table]:
    """The figures of each contender, and their ratios to those of the first one; `corner`: what
    the table of ratios is called, where no title says it."""
    title = f"{contrast.subject}, beside {contrast.base.contender}"
    return (
        build_figures_table(contrast, title, narrow=narrow),
        build_ratios_table(contrast, narrow=narrow, corner=corner),
    )


def build_figures_table(contrast: Contrast, title: str, *, narrow: bool) -> Table:
    metrics = list_metrics("contrast")[: FIGURES_THAT_FIT if narrow else None]
    counted = [] if narrow else [Column("trials")]
    rows = [
        Row(
            each.contender,
            [
                *([] if narrow else [each.trials]),
                *(each.figures.get(metric.key) for metric in metrics),
            ],
        )
        for each in contrast.results
    ]
    columns = (NAMES, *counted, *(build_column(each, "contrast") for each in metrics))
    return Table(columns, rows, title)


def build_ratios_table(contrast: Contrast, *, narrow: bool, corner: str) -> Table:
    metrics = list_metrics("ratio")[: RATIOS_THAT_FIT if narrow else None]
    headings = [
        f"{each.get_heading('ratio')[0]} {'1/×' if each.is_latency else '×'}" for each in metrics
    ]
    rows = [
        Row(
            each.contender,
            [
                *(format_ratio_interval(each.ratios[metric.key]) for metric in metrics),
                *([] if narrow else [each.category or ""]),
            ],
        )
        for each in contrast.results
        if each.ratios
    ]
    columns = [
        replace(NAMES, heading=corner),
        *(Column(each, width=RATIO_ROOM if narrow else 0) for each in headings),
    ]
    columns += [] if narrow else [Column("rps", is_text=True)]
    return Table(columns, rows, notes=write_contrast_remarks(contrast))


def build_overall_table(found: Sequence[OverallResult], title: str = "") -> Table:
    """Geometric means of the ratios. The base has no category."""
    rows = [
        Row(
            each.contender,
            [
                format_ratio(each.throughput_ratio),
                format_ratio(each.latency_ratio),
                f"{each.wins} of {each.subjects}",
                "" if place == 0 else each.category or "",
            ],
        )
        for place, each in enumerate(found)
    ]
    headings = (Column("rps ×"), Column("mean 1/×"), Column("fastest on"), Column("", is_text=True))
    return Table((NAMES, *headings), rows, title)


def format_ratio(ratio: float | None) -> str:
    return formats.UNKNOWN if ratio is None else formats.short_ratio(ratio)


def format_ratio_interval(found: RatioInterval) -> str:
    """`4.32 [4.10–4.60]`."""
    middle = format_ratio(found.ratio)
    if found.ratio is None or found.low is None or found.high is None:
        return middle
    return f"{middle} [{formats.short_ratio(found.low)}–{formats.short_ratio(found.high)}]"


def write_contrast_remarks(contrast: Contrast) -> list[str]:
    """Why there are no intervals, which differences are none, and whom not to believe."""
    compared = [(each.contender, each.ratios["ok_rps"]) for each in contrast.results if each.ratios]
    reasons = {explain_missing(ratio.why_none) for _, ratio in compared if ratio.why_none}
    remarks = [f"no intervals: {reason}" for reason in sorted(reasons)]
    undecided = [name for name, ratio in compared if ratio.low and ratio.other_is is None]
    if undecided:
        remarks.append(
            f"no difference in rps to {contrast.base.contender} is shown for "
            f"{', '.join(undecided)}: the interval holds 1"
        )
    remarks += [
        f"{each.contender}: {count} of {each.trials} trials say {code}"
        for each in contrast.results
        for code, count in each.doubts.items()
    ]
    return remarks


def export_contrasts(found: Sequence[Contrast]) -> dict[str, object]:
    """contrast.json, and "contrasts" in summary.json."""
    return {
        "contrasts": [asdict(each, dict_factory=name_reasons) for each in found],
        "overall": [asdict(each) for each in compute_overall(found)],
    }
