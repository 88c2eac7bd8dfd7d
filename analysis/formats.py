"""The only place that turns figures into text for people. Units stand in the headings."""

UNKNOWN = "–"


def rate(value: float | None) -> str:
    """Requests a second: one decimal is what a window of 30 s can tell."""
    return UNKNOWN if value is None else f"{value:,.1f}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def percent(share: float | None) -> str:
    """A share of one. A few failures among many never read as 0 %."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{100 * share:.1f} %"


def whole(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def decimal(value: float | None) -> str:
    if value is None:
        return UNKNOWN
    return f"{value:,.0f}" if value >= 999.95 else f"{value:.1f}"
