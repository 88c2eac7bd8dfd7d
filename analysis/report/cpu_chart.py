"""The chart of a request's CPU by whose code it is, alone and under load."""

from collections.abc import Mapping

import altair as alt

from analysis.measures.cpu_attribution import CodeCpu, name_library
from analysis.measures.cpu_profile import CpuGrowth
from analysis.report.drawing import (
    BLUE,
    CHARACTER,
    NARROW,
    ORANGE,
    Chart,
    build_frame,
    build_name_colours,
    build_title,
    title_panel,
)

MOST_BARS = 8
BAR_HEIGHT, EDGE = 30, 14
LONGEST_NAME = 24
"""Letters of a function: more leave a phone no room for the bars."""
PHASES = {"alone": BLUE, "under load": ORANGE}


def draw_cpu_growth(name: str, found: CpuGrowth) -> Chart:
    """By library and, below it, by function: what grew most stands first. `name`: of the cell."""
    libraries = {each.name: each for each in found.by_library[:MOST_BARS]}
    functions = dict[str, CodeCpu]()
    for each in found.by_function[:MOST_BARS]:
        function = name_function(each.name)
        functions[each.name if function in functions else function] = each
    longest = min(LONGEST_NAME, max(map(len, (*libraries, *functions))))
    room = NARROW - CHARACTER * longest - EDGE
    parts = {"By library": libraries, "By function": functions}
    bars = [draw_bars(codes, title).properties(width=room) for title, codes in parts.items()]
    title = build_title(NARROW, name, "CPU per request, ms")
    return alt.vconcat(*bars, spacing=14, title=title)


def draw_bars(codes: Mapping[str, CodeCpu], title: str) -> alt.Chart:
    rows = [
        (name, phase, value)
        for name, each in codes.items()
        for phase, value in zip(PHASES, (each.alone_ms, each.load_ms), strict=True)
    ]
    colours = build_name_colours("phase", list(PHASES), list(PHASES.values()))
    return (
        alt.Chart(build_frame(rows, "code phase", "cpu_ms"), mark="bar", title=title_panel(title))
        .encode(
            x=alt.X("cpu_ms:Q", title=None).axis(tickCount=3),
            y=alt.Y("code:N", title=None, sort=None).axis(labelLimit=CHARACTER * LONGEST_NAME),
            yOffset=alt.YOffset("phase:N", sort=None),
            color=colours,
        )
        .properties(height=BAR_HEIGHT * len(codes))
    )


def name_function(frame: str) -> str:
    """Short, with its library: a chart has no room for a path."""
    function = frame.rpartition(" (")[0].replace(".<locals>", "")
    return ": ".join(filter(None, (name_library(frame), function)))
