"""Sets of moments: sorted spans without overlaps."""

from collections.abc import Iterable, Sequence

from scenarios.units import Second

Span = tuple[Second, Second]


def merge(spans: Iterable[Span]) -> list[Span]:
    """Sort the spans and merge overlaps."""
    merged: list[Span] = []
    for begin_s, end_s in sorted(spans):
        if merged and begin_s <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end_s)
        else:
            merged.append((begin_s, end_s))
    return merged


def meets(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def intersect(spans: Iterable[Span], other: Span) -> list[Span]:
    return [
        (max(span[0], other[0]), min(span[1], other[1])) for span in spans if meets(span, other)
    ]


def subtract(spans: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """Return the parts that no other span covers. others: sorted, without overlaps."""
    left = []
    for begin_s, end_s in spans:
        for other in others:
            if meets((begin_s, end_s), other):
                if begin_s < other[0]:
                    left.append((begin_s, other[0]))
                begin_s = min(end_s, other[1])
        if begin_s < end_s:
            left.append((begin_s, end_s))
    return left


def measure(spans: Iterable[Span]) -> Second:
    return sum(end_s - begin_s for begin_s, end_s in spans)
