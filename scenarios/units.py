"""Durations as people type them."""

import re

from scenarios.errors import UserError

Second = float

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|m)", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0}


def parse_duration(option: str, text: str) -> Second:
    """`30s`, `1000ms`, `1.5m` in seconds. Raises UserError naming the option."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise UserError(
            f"{option} {text!r}: give a plain number with its unit, such as 30s, 1000ms or 2m"
        )
    return float(match[1]) * _SECONDS[match[2]]


def parse_rate(option: str, text: str) -> float:
    """`300/s`, `90/m` in a second. Raises UserError naming the option."""
    match = _RATE.fullmatch(text.strip())
    if match is None:
        raise UserError(f"{option} {text!r}: give a plain number with its unit, such as 300/s")
    return float(match[1]) / _SECONDS[match[2]]
