"""Makes texts from outside harmless: clients and services choose paths, names and errors."""

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes a second to import: a message must not wait for it
    import polars as pl

REPLACED = "\N{REPLACEMENT CHARACTER}"
OBEYED = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # terminals obey them
    r"\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"  # they change lines, or the order of text
)
"""Tab and newline are two of their own: they may be part of code."""
HARMFUL = re.compile(OBEYED)


def make_harmless(text: str) -> str:
    """Return one line with nothing that a terminal or a browser obeys instead of showing it."""
    return make_code_harmless(text).replace("\n", " ").replace("\t", " ")


def make_code_harmless(text: str) -> str:
    """Keep line breaks and tabs."""
    return HARMFUL.sub(REPLACED, escape_halves(text))


def escape_halves(text: str) -> str:
    """Make text, such as \\udcff, of the halves of characters that Python keeps for a name that is
    not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def make_json_harmless(content: object) -> object:
    """Return parsed JSON with harmless texts and names."""
    if isinstance(content, str):
        return make_harmless(content)
    if isinstance(content, list):
        return [make_json_harmless(each) for each in content]
    if isinstance(content, dict):
        return {make_harmless(name): make_json_harmless(each) for name, each in content.items()}
    return content


def make_table_harmless(frame: "pl.DataFrame") -> "pl.DataFrame":
    """A long table has few distinct texts: look at those first."""
    for name, kind in frame.schema.items():
        if str(kind) == "String" and frame[name].unique().str.contains(rf"{OBEYED}|\t|\n").any():
            clean = frame[name].str.replace_all(OBEYED, REPLACED).str.replace_all(r"[\t\n]", " ")
            frame = frame.with_columns(clean)
    return frame
