"""Finds the reason for an app's end in its output."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

READ_BYTES, MOST_LOG_BYTES = 1 << 16, 1 << 24
"""Read from a log's end: for its last words, and for what counts wherever it stands."""
LONGEST = 300
TRACEBACK = "Traceback (most recent call last):"
ERROR = re.compile(
    r"\b(error|critical|fatal|exception)\b|Error\b|can't|cannot|no module named", re.I
)
TEXT_KEYS = ("exception", "error", "event", "message", "msg")
IN_GROUP = re.compile(r"^\s*[|+]-*\s?")
"""Python's prefix of each line in an exception group."""
NOTHING = "it printed nothing"


def read_last_words(log: Path) -> str:
    """Return the exception of the last traceback, otherwise the last line that mentions an error,
    otherwise the last line."""
    lines = read_last_lines(log)
    words = find_exception(lines) or find_error(lines) or (lines[-1].strip() if lines else NOTHING)
    return words if len(words) <= LONGEST else f"{words[:LONGEST]}…"


def read_last_lines(log: Path) -> list[str]:
    """Return the non-empty lines; replace a JSON line by its text."""
    lines = read_end(log, READ_BYTES).splitlines()
    return [text for each in lines for text in expand_line(each) if text.strip()]


def read_end(log: Path, most_bytes: int, begin: int = 0) -> str:
    """Return the last `most_bytes` of what follows the byte `begin`; no text if there is no log."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(begin, size - most_bytes))
            return file.read(most_bytes).decode(errors="replace")
    except FileNotFoundError:
        return ""


def expand_line(line: str) -> Iterator[str]:
    try:
        parsed = json.loads(line) if line.startswith("{") else None
    except (ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, dict):
        yield line
        return
    for key in reversed(TEXT_KEYS):  # the exception last, since it says the most
        yield from str(parsed.get(key, "")).splitlines()


def find_exception(lines: list[str]) -> str | None:
    """Return `KeyError: 'TOKEN'` with its message. The frames above it are indented."""
    starts = [at for at, line in enumerate(lines) if TRACEBACK in line]
    if not starts:
        return None
    bare = [IN_GROUP.sub("", each) for each in lines]
    ends = (at for at in range(starts[-1] + 1, len(bare)) if not bare[at].startswith(" "))
    at = next(ends, None)
    if at is None:
        return None
    rest = bare[at + 1 : at + 3] if is_open(bare[at]) else []
    return " ".join(each.strip() for each in (bare[at], *rest))


def is_open(line: str) -> bool:
    """Return True if the message continues on the next lines, as pydantic's does."""
    return bool(re.search(r"\b\d+ validation errors? for \w+$", line))


def find_error(lines: list[str]) -> str | None:
    return next((each.strip() for each in reversed(lines) if ERROR.search(each)), None)
