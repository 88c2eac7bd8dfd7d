"""Links that lead nowhere, in Markdown and in pages."""

import re
from collections.abc import Iterator
from pathlib import Path

TARGET = re.compile(r"\]\((?P<markdown>[^)\s]+)\)|\b(?:href|src)=\"(?P<page>[^\"]*)\"")
IDENTITY = re.compile(r"\b(?:id|name)=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"<(script|style|svg)\b.*?</\1>", re.DOTALL)
"""A picture's own references are tested with the pictures."""
OUTSIDE = re.compile(r"(?:https?|mailto|data):")


def find_dead_links(text: str, folder: Path) -> Iterator[str]:
    """Of a text that is a file in that folder."""
    shown = CODE.sub("", FENCED.sub("", text))
    for match in TARGET.finditer(shown):
        link = match["markdown"] or match["page"] or ""
        if OUTSIDE.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = folder / path
        is_there = not path or target.exists()
        page = target.read_text() if path and anchor and is_there else shown
        if not is_there or (anchor and anchor not in list_anchors(page)):
            yield link


def list_anchors(text: str) -> set[str]:
    """By their identity, and of Markdown by the words of a heading, as GitHub makes them."""
    found = set(IDENTITY.findall(text))
    for heading in HEADING.findall(text):
        words = re.sub(r"<[^>]*>|[^\w\- ]", "", heading).strip().lower()
        found.add(words.replace(" ", "-"))
    return found
