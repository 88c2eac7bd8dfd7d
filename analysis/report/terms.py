"""The glossary's terms for a page, which must explain itself without the documentation."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

GLOSSARY = Path(__file__).parents[2] / "docs" / "glossary.md"
LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
EMPHASIS = re.compile(r"\*([^*`]+)\*")
SOURCE = re.compile(r"\*Source:.*", re.DOTALL)


class Term(NamedTuple):
    """`meaning` has code between backticks, and neither links nor a source."""

    name: str
    meaning: str


@cache
def list_terms() -> tuple[Term, ...]:
    _, *entries = GLOSSARY.read_text("utf-8").split("\n### ")
    terms = []
    for entry in entries:
        name, _, text = entry.partition("\n")
        meaning = EMPHASIS.sub(r"\1", LINK.sub(r"\1", SOURCE.sub("", text)))
        terms.append(Term(name, " ".join(meaning.split())))
    return tuple(terms)
