"""Parsers of the texts in which the probe names code."""

import json
import re
from functools import lru_cache
from typing import NamedTuple

from analysis.findings.evidence import Stack, StackFrame
from records.harmless import make_harmless

CODE = re.compile(r"(.+):(\d+) (.+)", re.DOTALL)


class CodeText(NamedTuple):
    """name: the qualified name."""

    file: str
    first_line: int
    name: str


def parse_code(text: str | None) -> CodeText | None:
    """Parse "file:first_line qualname"; return None for a name alone, as of a C function."""
    found = CODE.fullmatch(text or "")
    return CodeText(found[1], int(found[2]), found[3]) if found else None


@lru_cache(maxsize=4096)
def parse_stack(text: str | None) -> Stack:
    """Parse a stack; return an empty one for invalid text: a journal's string table may be full."""
    try:
        frames = json.loads(text or "[]")
        return tuple(
            StackFrame(
                make_harmless(str(module)), make_harmless(str(file)), int(line or 0),
                make_harmless(str(function)), int(first or 0),
            )
            for module, file, line, function, first in frames
        )  # fmt: skip
    except (ValueError, TypeError, OverflowError, RecursionError):
        return ()
