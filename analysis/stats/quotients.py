"""Quotients that may have nothing to divide by."""


def divide_or_none(part: float, whole: float) -> float | None:
    """None where nothing was measured: unknown is not 0."""
    return part / whole if whole else None
