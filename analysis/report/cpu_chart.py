"""The chart of a request's CPU by whose code it is, alone and under load."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from analysis.measures.cpu_attribution import CodeCpu
from analysis.measures.cpu_profile import CpuGrowth
from analysis.report.drawing import BLUE, ORANGE, WIDTH, Chart, build_name_colours, separate_colours

MOST_BARS = 8
BAR_HEIGHT = 26
PHASES = {"alone": BLUE, "under load": ORANGE}


def draw_cpu_growth(found: CpuGrowth) -> Chart:
    """By library and, below it, by function: what grew most stands first."""
    parts = {"library": found.by_library, "function": found.by_function}
    return separate_colours(
        [draw_bars(kind, codes[:MOST_BARS], kind == "function") for kind, codes in parts.items()],
        spacing=14,
    )


def draw_bars(kind: str, codes: Sequence[CodeCpu], is_last: bool) -> alt.Chart:
    rows = [
        {"code": each.name, "phase": phase, "cpu_ms": value}
        for each in codes
        for phase, value in zip(PHASES, (each.alone_ms, each.load_ms), strict=True)
    ]
    title = "CPU per request, ms" if is_last else None
    legend = None if is_last else alt.Legend(orient="top", title=None, offset=0)
    colour = build_name_colours("phase", list(PHASES), list(PHASES.values()))
    return (
        alt.Chart(pl.DataFrame(rows), mark="bar")
        .encode(
            x=alt.X("cpu_ms:Q", title=title).axis(tickCount=4),
            y=alt.Y("code:N", title=f"by {kind}", sort=None).axis(labelLimit=WIDTH),
            yOffset=alt.YOffset("phase:N", sort=None),
            color=colour.legend(legend),
        )
        .properties(width=WIDTH, height=BAR_HEIGHT * len(codes))
    )
