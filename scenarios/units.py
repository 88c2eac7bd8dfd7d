"""Numbers as people type them, and how they are written."""

import re
from collections.abc import Callable
from dataclasses import dataclass

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


def parse_count(option: str, text: str) -> int:
    """Raises UserError naming the option."""
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{option} {text!r}: give a whole number, such as 500") from None


def parse_number(option: str, text: str) -> float:
    """Raises UserError naming the option."""
    try:
        return float(text)
    except ValueError:
        raise UserError(f"{option} {text!r}: give a number, such as 50") from None


def format_plain_number(value: float) -> str:
    """As it was typed, not as 1e+20."""
    return str(int(value)) if value == value // 1 else str(value)


def format_duration(value: Second) -> str:
    return f"{value:g}s" if value >= 1 else f"{1000 * value:g}ms"


@dataclass(frozen=True, slots=True)
class Unit:
    """How a number, or several, is typed and written. `parse` is given the option's name and the
    text, and raises UserError; `words` stand behind bounds."""

    metavar: str
    parse: Callable[[str, str], object]
    format: Callable[[float], str] = format_plain_number
    words: str = ""


COUNT = Unit("N", parse_count)
NUMBER = Unit("NUMBER", parse_number)
SECONDS = Unit("SECONDS", parse_number, words=" s")
DURATION = Unit("DURATION", parse_duration, format_duration, " s")
RATE = Unit("RATE", parse_rate, lambda value: f"{value:g}/s", " a second")
