"""Numbers as people type them, and how they are written."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from scenarios.errors import UserError

Second = float

_DURATIONS = {"s": 1.0, "m": 60.0}


def split_unit(option: str, text: str, units: str, example: str) -> tuple[float, str]:
    """Raises UserError naming the option."""
    match = re.fullmatch(rf"(\d+(?:\.\d+)?)({units})", text.strip(), re.ASCII)
    if match is None:
        raise UserError(f"{option} {text!r}: give a plain number with its unit, such as {example}")
    return float(match[1]), match[2]


def parse_duration(option: str, text: str) -> Second:
    """`30s`, `1000ms`, `1.5m` in seconds. Raises UserError naming the option."""
    number, unit = split_unit(option, text, "ms|s|m", "30s, 1000ms or 2m")
    return number / 1000 if unit == "ms" else number * _DURATIONS[unit]  # 104 ms are 0.104 s


def parse_rate(option: str, text: str) -> float:
    """`300/s`, `90/m` in a second. Raises UserError naming the option."""
    number, unit = split_unit(option, text, "/s|/m", "300/s")
    return number / _DURATIONS[unit[1:]]


def parse_number(
    option: str, text: str, kind: type[float] = float, words: str = "a number, such as 50"
) -> float:
    """Raises UserError naming the option."""
    try:
        return kind(text)
    except ValueError:
        raise UserError(f"{option} {text!r}: give {words}") from None


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


COUNT = Unit("N", partial(parse_number, kind=int, words="a whole number, such as 500"))
NUMBER = Unit("NUMBER", parse_number)
SECONDS = Unit("SECONDS", parse_number, words=" s")
DURATION = Unit("DURATION", parse_duration, format_duration, " s")
RATE = Unit("RATE", parse_rate, lambda value: f"{value:g}/s", " a second")
