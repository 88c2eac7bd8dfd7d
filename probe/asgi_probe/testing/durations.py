"""Durations as a test's author writes them: "50ms", "0.2s", "1.5 s"."""

from __future__ import annotations

import re

DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s)")
LONGEST_S = 3600.0


def parse_duration(text: object) -> float:
    """Return seconds. Raises ValueError, whose text says what is expected."""
    found = DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    seconds = float(found.group(1)) * (0.001 if found.group(2) == "ms" else 1.0) if found else 0.0
    if not 0.001 <= seconds <= LONGEST_S:
        raise ValueError(f'a duration such as "50ms" or "0.2s", from 1ms to 3600s, not {text!r}')
    return seconds
