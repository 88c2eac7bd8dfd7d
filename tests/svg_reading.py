"""What a picture says of itself: its texts with the place that each takes, and its panels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

LETTER = 0.5
"""Of a letter's height is its width, in the usual sans-serif fonts: an average, rather too little,
so that what overlaps by it does overlap."""
_MOVES = re.compile(r"(translate|rotate)\(([-\d.e]+)(?:,\s*([-\d.e]+))?\)")
_PARTS = {"middle": 0.5, "end": 1.0}


@dataclass(frozen=True, slots=True)
class Text:
    """Edges in pixels of the picture; None of those that are rotated."""

    words: str
    size: float
    role: str
    left: float
    top: float

    @property
    def right(self) -> float:
        return self.left + LETTER * self.size * len(self.words)

    @property
    def bottom(self) -> float:
        return self.top + 0.8 * self.size

    def meets(self, other: "Text") -> bool:
        apart = (
            self.right <= other.left
            or other.right <= self.left
            or self.bottom <= other.top
            or other.bottom <= self.top
        )
        return not apart


@dataclass(frozen=True, slots=True)
class Picture:
    width: float
    height: float
    texts: tuple[Text, ...]
    panels: tuple[int, ...]
    """How many things each panel shows."""


def read_picture(svg: str) -> Picture:
    root = ElementTree.fromstring(svg)
    texts = tuple(list_texts(root, 0.0, 0.0, ""))
    width, height = (float(root.attrib[each]) for each in ("width", "height"))
    return Picture(width, height, texts, tuple(count_marks(root)))


def list_texts(element: ElementTree.Element, left: float, top: float, role: str) -> Iterator[Text]:
    turned = False
    for kind, x, y in _MOVES.findall(element.get("transform", "")):
        if kind == "rotate":
            turned = turned or float(x) != 0
        else:
            left, top = left + float(x), top + float(y or 0)
    role = element.get("class", role)
    words = "".join(element.itertext())
    if element.tag.endswith("text") and words.strip() and not turned:
        size = float(element.get("font-size", "0").removesuffix("px"))
        lines = [each.text or "" for each in element] or [words]
        for number, line in enumerate(lines):
            width = LETTER * size * len(line)
            begin = left - width * _PARTS.get(element.get("text-anchor", "start"), 0.0)
            yield Text(line, size, role, begin, top - 0.7 * size + 1.15 * number * size)
        return
    for each in element:
        yield from list_texts(each, left, top, role)


def count_marks(root: ElementTree.Element) -> Iterator[int]:
    """Of each panel: of the groups that have marks of their own, or none at all."""
    for group in root.iter():
        kinds = group.get("class", "").split()
        if "mark-group" not in kinds or not {"role-scope", "root"} & set(kinds):
            continue
        marks = list(list_marks(group))
        inner = any(
            "role-scope" in each.get("class", "").split() for each in group.iter() if each != group
        )
        if not inner:
            yield len(marks)


def list_marks(group: ElementTree.Element) -> Iterator[ElementTree.Element]:
    for each in group.iter():
        if "role-mark" in each.get("class", "").split():
            yield from (one for one in each.iter() if one.get("d") or one.text)
