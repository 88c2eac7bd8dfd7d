"""Formats of figures for people, the only place for them. Headings state the units."""

import math
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import partial

UNKNOWN = "–"
MOST_DECIMALS = 12

Format = Callable[[float | None], str]


def format_number(value: float | None, whole_from: float) -> str:
    """Format with one decimal below `whole_from`."""
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= whole_from else f"{value:,.1f}"


rate: Format = partial(format_number, whole_from=99_999.95)
"""Requests per second: a window of 30 s is precise to one decimal, and a column has room for it."""
milliseconds: Format = partial(format_number, whole_from=100)
short_number = milliseconds
"""Any unit, for sentences and small tables: numbers of three digits or more are whole."""


def lower_bound(value: float) -> str:
    """Format with the digits of `short_number`, but never round up."""
    return short_number(math.floor(value) if value >= 100 else math.floor(10 * value) / 10)


decimal: Format = partial(format_number, whole_from=999.95)
whole: Format = partial(format_number, whole_from=-math.inf)


def duration(value_ms: float | None) -> str:
    """Format in ms, or in seconds from one second on."""
    if value_ms is None or value_ms < 999.5:
        return f"{milliseconds(value_ms)} ms"
    return f"{decimal(value_ms / 1000)} s"


def three_digits(value: float | None) -> str:
    """As in 0.0167, 66.7 and 1,234, with all digits of a whole number. Halves go up, as in a
    browser."""
    if value is None:
        return UNKNOWN
    if 0 < value < 0.001:
        return "<0.001"
    if value >= 99.95:
        return f"{Decimal(value).quantize(Decimal(1), ROUND_HALF_UP):,}"
    return f"{Context(prec=3, rounding=ROUND_HALF_UP).plus(Decimal(value)).normalize():f}"


def duration_three_digits(value_s: float) -> str:
    """As in "300 ms" and "1.5 s"."""
    return f"{three_digits(value_s)} s" if value_s >= 1 else f"{three_digits(1000 * value_s)} ms"


def count_things(number: int, name: str, plural: str = "s") -> str:
    """As in "1 request" and "2 requests". plural: the ending."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}{plural}"


def bracket_milliseconds(value_ms: float | None) -> str:
    """Put a misleading latency in brackets, and keep it short."""
    if value_ms is None:
        return UNKNOWN
    if value_ms < 9_999.5:
        return f"({value_ms:,.0f})"
    return f"({value_ms / 1000:.0f} s)" if value_ms < 999_500 else "(>999s)"


def at_least(value_ms: float | None, bound_ms: float | None) -> str:
    """Format a quantile that counts unanswered requests, or its lower bound where it is unknown."""
    if value_ms is not None:
        return milliseconds(value_ms)
    return UNKNOWN if bound_ms is None else f">{milliseconds(bound_ms)}"


def percent(share: float | None) -> str:
    """Format a share between 0 and 1. A few failures among many never read as 0 %."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{100 * share:.1f} %"


def short_ratio(ratio: float) -> str:
    """Format three digits; four near 1, where three would hide a difference; two below 0.1."""
    if ratio >= 99.95:
        return whole(ratio)
    digits = 4 if 0.99 < ratio < 1.01 else 3 if ratio > 0.1 else 2
    return f"{ratio:#.{digits}g}"


def p_value(p: float | None, exact: bool | None) -> str:
    """Format a p-value, with a ~ if it is only approximate."""
    if p is None:
        return UNKNOWN
    found = "<0.001" if p < 0.0005 else f"{p:.3f}"
    return found if exact else f"~{found}"


def near_bound(value: float, bound: float) -> str:
    """Format four digits, or more where rounding would hide that 1,200.4 exceeds 1200."""
    magnitude = math.floor(math.log10(abs(value))) if value else 0
    for decimals in range(max(0, 3 - magnitude), MOST_DECIMALS):
        shown = round(value, decimals)
        if (shown > bound, shown < bound) == (value > bound, value < bound):
            text = f"{value:,.{decimals}f}"
            return text.rstrip("0").rstrip(".") if decimals else text
    return repr(value)


def compact(value: float) -> str:
    """Format in four or five characters for narrow places: 3.4, 340, 3.4k, 34k."""
    if value < 10:
        return f"{value:.1f}"
    if value < 1000:
        return f"{value:.0f}"
    return f"{value / 1000:.1f}k" if value < 10_000 else f"{value / 1000:.0f}k"
