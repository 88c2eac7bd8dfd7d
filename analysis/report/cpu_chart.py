"""The chart of a request's CPU by whose code it is, alone and under load."""

from collections.abc import Mapping

import altair as alt
import polars as pl

from analysis.measures.cpu_attribution import CodeCpu, name_library
from analysis.measures.cpu_profile import CpuGrowth
from analysis.report.drawing import BLUE, ORANGE, WIDTH, Chart, build_name_colours, separate_colours

MOST_BARS = 8
BAR_HEIGHT, BARS_WIDTH, NAMES_WIDTH = 26, WIDTH * 0.6, WIDTH * 0.7
PHASES = {"alone": BLUE, "under load": ORANGE}


def draw_cpu_growth(found: CpuGrowth) -> Chart:
    """By library and, below it, by function: what grew most stands first."""
    libraries = {each.name: each for each in found.by_library[:MOST_BARS]}
    functions = dict[str, CodeCpu]()
    for each in found.by_function[:MOST_BARS]:
        name = name_function(each.name)
        functions[each.name if name in functions else name] = each
    return separate_colours(
        (draw_bars(libraries, "by library"), draw_bars(functions, "by function")), spacing=14
    )


def draw_bars(codes: Mapping[str, CodeCpu], title: str) -> alt.Chart:
    rows = [
        {"code": name, "phase": phase, "cpu_ms": value}
        for name, each in codes.items()
        for phase, value in zip(PHASES, (each.alone_ms, each.load_ms), strict=True)
    ]
    colours = build_name_colours("phase", list(PHASES), list(PHASES.values()))
    return (
        alt.Chart(pl.DataFrame(rows), mark="bar")
        .encode(
            x=alt.X("cpu_ms:Q", title=f"CPU per request {title}, ms").axis(tickCount=4),
            y=alt.Y("code:N", title=None, sort=None).axis(labelLimit=NAMES_WIDTH),
            yOffset=alt.YOffset("phase:N", sort=None),
            color=colours.legend(orient="top", title=None, offset=0),
        )
        .properties(width=BARS_WIDTH, height=BAR_HEIGHT * len(codes))
    )


def name_function(frame: str) -> str:
    """Short, with its library: a chart has no room for a path."""
    function = frame.rpartition(" (")[0].replace(".<locals>", "")
    return ": ".join(filter(None, (name_library(frame), function)))
