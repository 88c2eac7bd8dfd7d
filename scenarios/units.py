"""Numbers with units: parsing what a user types, and formatting."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from scenarios.errors import UserError

Second = float

_DURATIONS = {"s": 1.0, "m": 60.0}


def split_unit(option: str, text: str, units: str, example: str) -> tuple[float, str]:
    """Raises UserError that names the option."""
    match = re.fullmatch(rf"(\d+(?:\.\d+)?)({units})", text.strip(), re.ASCII)
    if match is None or not math.isfinite(float(match[1])):
        raise UserError(f"{option} {text!r}: give a plain number with its unit, such as {example}")
    return float(match[1]), match[2]


def parse_duration(option: str, text: str) -> Second:
    """Parse `30s`, `1000ms` or `1.5m` into seconds. Raises UserError that names the option."""
    number, unit = split_unit(option, text, "ms|s|m", "30s, 1000ms or 2m")
    return number / 1000 if unit == "ms" else number * _DURATIONS[unit]  # 104 * 0.001 != 0.104


def parse_rate(option: str, text: str) -> float:
    """Parse `300/s` or `90/m` into a rate per second. Raises UserError that names the option."""
    number, unit = split_unit(option, text, "/s|/m", "300/s")
    return number / _DURATIONS[unit[1:]]


def parse_number(
    option: str, text: str, kind: type[float] = float, words: str = "a number, such as 50"
) -> float:
    """Raises UserError that names the option."""
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"{option} {text!r}: give {words}") from None


def format_plain_number(value: float) -> str:
    """Format as typed, not as 1e+20."""
    return str(int(value)) if value == value // 1 else str(value)


def format_duration(value: Second) -> str:
    return f"{value:g}s" if value >= 1 else f"{1000 * value:g}ms"


@dataclass(frozen=True, slots=True)
class Unit:
    """How to parse and format a number. parse: takes the option's name and the text, raises
    UserError. words: the unit after the bounds in a message."""

    metavar: str
    parse: Callable[[str, str], object]
    format: Callable[[float], str] = format_plain_number
    words: str = ""


COUNT = Unit("N", partial(parse_number, kind=int, words="a whole number, such as 500"))
NUMBER = Unit("NUMBER", parse_number)
SECONDS = Unit("SECONDS", parse_number, words=" s")
DURATION = Unit("DURATION", parse_duration, format_duration, " s")
RATE = Unit("RATE", parse_rate, lambda value: f"{value:g}/s", " per second")
