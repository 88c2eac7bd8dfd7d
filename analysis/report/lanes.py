"""Rows of bars along a time axis.

Positions are in percent of the width, heights in pixels: the picture is as wide as the page, and
its text keeps its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from analysis.measures.window import Window
from analysis.stats import formats
from scenarios.units import Second

STEPS_MS = tuple(each * 10**power for power in range(6) for each in (1, 2, 5))
MOST_TICKS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """left, width: in percent. title: the tooltip."""

    kind: str
    left: float
    width: float
    title: str

    @property
    def right(self) -> float:
        return self.left + self.width


@dataclass(frozen=True, slots=True)
class PictureRow:
    """label: shown above the first bar, aligned with its start or its end."""

    bars: tuple[Bar, ...]
    label: str = ""

    @property
    def label_side(self) -> str:
        return "start" if self.bars[0].left <= 50 else "end"

    @property
    def label_place(self) -> float:
        first = self.bars[0]
        return first.left if self.label_side == "start" else first.right


@dataclass(frozen=True, slots=True)
class Lane:
    """Rows of one kind. height: of each row, in pixels."""

    name: str
    height: int
    rows: tuple[PictureRow, ...]


class Scale:
    """A scale from seconds of the audit to percent of the width."""

    def __init__(self, window: Window) -> None:
        self.window = window

    def place(self, at_s: Second) -> float:
        inside_s = min(max(at_s, self.window.start_s), self.window.end_s)
        return round(100 * (inside_s - self.window.start_s) / self.window.length_s, 2)

    def draw(self, kind: str, begin_s: Second, end_s: Second, title: str) -> Bar:
        left = self.place(begin_s)
        length = formats.milliseconds(1000 * (end_s - begin_s))
        return Bar(kind, left, round(self.place(end_s) - left, 2), f"{title}: {length} ms")


def list_ticks(scale: Scale, from_s: Second) -> Iterator[tuple[float, str]]:
    """Yield ticks at whole steps before and after `from_s`."""
    window = scale.window
    length_ms = 1000 * window.length_s
    step = next((each for each in STEPS_MS if length_ms / each <= MOST_TICKS), STEPS_MS[-1])
    first = -int(1000 * (from_s - window.start_s) / step)
    for number in range(first, first + MOST_TICKS + 1):
        at_s = from_s + number * step / 1000
        if window.start_s <= at_s <= window.end_s:
            yield scale.place(at_s), f"{number * step:,} ms".replace("-", "\N{MINUS SIGN}")
