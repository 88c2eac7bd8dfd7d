"""The chart of CPU per request by library and function, alone and under load."""

from collections.abc import Mapping

import altair as alt

from analysis.measures.cpu_attribution import CodeCpu, name_library
from analysis.measures.cpu_profile import CpuGrowth
from analysis.report.drawing import (
    BLUE,
    NARROW,
    ORANGE,
    Chart,
    build_frame,
    build_name_colours,
    build_title,
    layer_charts,
    title_panel,
)
from analysis.report.table import shorten

MOST_BARS = 6
ROW_HEIGHT, BETWEEN, EDGE, NAME_OFFSET = 46, 0.55, 14, 18
"""BETWEEN: the fraction of a row above its bars, which holds the name."""
LONGEST_NAME = 48
"""Characters that fit on a phone."""
PHASES = {"alone": BLUE, "under load": ORANGE}


def draw_cpu_growth(name: str, found: CpuGrowth) -> Chart:
    """Draw bars by library, then by function, the largest growth first. `name`: of the cell."""
    libraries = {each.name: each for each in found.by_library[:MOST_BARS]}
    functions = dict[str, CodeCpu]()
    for each in found.by_function[:MOST_BARS]:
        function = name_function(each.name)
        functions[each.name if function in functions else function] = each
    parts = {"By library": libraries, "By function": functions}
    bars = [draw_bars(codes, title) for title, codes in parts.items()]
    title = build_title(NARROW, name, "CPU per request, ms")
    return alt.vconcat(*bars, spacing=14, title=title)


def draw_bars(codes: Mapping[str, CodeCpu], title: str) -> alt.LayerChart:
    rows = [
        (name, shorten(name, LONGEST_NAME), phase, value)
        for name, each in codes.items()
        for phase, value in zip(PHASES, (each.alone_ms, each.load_ms), strict=True)
    ]
    places = alt.Y("code:N", title=None, sort=None, axis=None)
    places = places.scale(paddingInner=BETWEEN, paddingOuter=BETWEEN)
    base = alt.Chart(build_frame(rows, "code text phase", "cpu_ms")).encode(y=places)
    colours = build_name_colours("phase", list(PHASES), list(PHASES.values()))
    bars = base.mark_bar().encode(
        x=alt.X("cpu_ms:Q", title=None).axis(tickCount=3),
        yOffset=alt.YOffset("phase:N", sort=None),
        color=colours,
    )
    names = base.transform_filter(alt.datum.phase == next(iter(PHASES)))
    text = names.mark_text(align="left", dy=-NAME_OFFSET).encode(x=alt.value(2), text="text:N")
    layers = layer_charts(bars, text).properties(title=title_panel(title))
    return layers.properties(width=NARROW - EDGE, height=ROW_HEIGHT * len(codes))


def name_function(frame: str) -> str:
    """Return library and function: a chart has no room for a path."""
    function, has_file, _ = frame.partition(" (")
    function = function.replace(".<locals>", "") if has_file else ""
    return ": ".join(filter(None, (name_library(frame), function)))
