"""Reads a picture: its texts and their places, its panels, its colours."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from xml.etree import ElementTree

LETTER = 0.45
"""Width of an average letter as a share of its height in common sans-serif fonts, rounded down:
texts that overlap by it do overlap."""
MARGIN = 10.0
CAPITAL, LINE = 0.7, 1.15
"""Shares of the font size: a capital's height, and the distance of two lines."""
_TRANSFORM = re.compile(r"(translate|rotate)\(([-\d.e]+)(?:,\s*([-\d.e]+))?\)")
_PANEL = re.compile(r"\bconcat_\d+_group\b")
_BEFORE = {"middle": 0.5, "end": 1.0}
"""Share of a text's width in front of its position."""


@dataclass(frozen=True, slots=True)
class Text:
    """Places in pixels of the picture."""

    words: str
    size: float
    role: str
    left: float
    base: float

    @property
    def right(self) -> float:
        return self.left + LETTER * self.size * len(self.words)

    @property
    def top(self) -> float:
        return self.base - CAPITAL * self.size

    def overlaps(self, other: "Text") -> bool:
        apart = self.right <= other.left or other.right <= self.left
        above = self.base <= other.top or other.base <= self.top
        return not (apart or above)


class Picture:
    def __init__(self, svg: str) -> None:
        self.root = ElementTree.fromstring(svg)
        self.width = float(self.root.attrib["width"])

    @cached_property
    def texts(self) -> list[Text]:
        """The texts that are not rotated."""
        return list(read_texts(self.root, 0.0, 0.0, ""))

    @property
    def overlapping(self) -> list[tuple[str, str]]:
        return [
            (one.words, other.words)
            for place, one in enumerate(self.texts)
            for other in self.texts[:place]
            if one.overlaps(other)
        ]

    @property
    def cut_off(self) -> list[str]:
        """Texts that leave the picture by more than the error of their estimated width."""
        low, high = -MARGIN, self.width + MARGIN
        return [each.words for each in self.texts if each.left < low or each.right > high]

    @property
    def font_sizes(self) -> set[float]:
        return {read_size(each) for each in self.root.iter() if is_text(each)}

    @property
    def empty_panels(self) -> list[str]:
        panels = [each for each in self.root.iter() if _PANEL.search(each.get("class", ""))]
        return [each.attrib["class"] for each in panels or [self.root] if not has_marks(each)]

    def count_fills(self, colour: str) -> int:
        return sum(each.get("fill") == colour and bool(each.get("d")) for each in self.root.iter())

    @property
    def colours(self) -> set[str]:
        found = {each.get(kind) for each in self.root.iter() for kind in ("fill", "stroke")}
        return {each for each in found if each not in (None, "none", "transparent")}


def is_text(element: ElementTree.Element) -> bool:
    """Return True for a visible text: Vega hides one of two overlapping labels."""
    return (
        element.get("opacity") != "0"
        and element.tag.endswith("}text")
        and bool("".join(element.itertext()).strip())
    )


def read_size(element: ElementTree.Element) -> float:
    return float(element.attrib["font-size"].removesuffix("px"))


def read_texts(element: ElementTree.Element, left: float, top: float, role: str) -> Iterator[Text]:
    for kind, x, y in _TRANSFORM.findall(element.get("transform", "")):
        if kind == "rotate" and float(x):
            return
        if kind == "translate":
            left, top = left + float(x), top + float(y or 0)
    role = element.get("class", role)
    if is_text(element):
        size = read_size(element)
        lines = [each.text or "" for each in element] or [element.text or ""]
        before = _BEFORE.get(element.get("text-anchor", ""), 0.0)
        for number, line in enumerate(lines):
            begin = left - before * LETTER * size * len(line)
            yield Text(line, size, role, begin, top + number * LINE * size)
        return
    for each in element:
        yield from read_texts(each, left, top, role)


def has_marks(panel: ElementTree.Element) -> bool:
    """Return True if the panel has more than its axes."""
    groups = [each for each in panel.iter() if "role-mark" in each.get("class", "").split()]
    return any(
        one.get("d") or one.get("x2") or is_text(one) for each in groups for one in each.iter()
    )
