"""When a loop was silent, and which requests held it."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import polars as pl

from analysis.measures.blocking_sites import BEAT_S
from analysis.measures.window import Window
from scenarios.units import Second

NEAR = 8
SILENT_S = 3 * BEAT_S
"""A heartbeat older than this: the loop does something else."""
HELD_SHARE = 0.8
"""Of a request's time in its handler; the last samples of a silence are up to a beat too early."""
LOOPED = ("pid", "route", "started_s", "ended_s")


@dataclass(frozen=True, slots=True)
class Span:
    start_s: Second
    end_s: Second
    what: str = ""


def find_stalls(probe: pl.DataFrame) -> list[Span]:
    """Of one loop, in the order of time; with what held it, where the probe could tell."""
    found: list[Span] = []
    late = probe.filter(pl.col("heartbeat_age_s") > SILENT_S).sort("at_s")
    columns = ("at_s", "heartbeat_age_s", "blocked_route", "blocked_frame")
    for at_s, age_s, route, frame in late.select(columns).iter_rows():
        what = " at ".join(each for each in (route, frame) if each)
        if found and at_s - age_s < found[-1].end_s:  # the same silence, a beat later
            last = found.pop()
            found.append(Span(last.start_s, at_s, what or last.what))
        else:
            found.append(Span(at_s - age_s, at_s, what))
    return found


def split_blocking(
    on_loop: pl.DataFrame, silences: dict[int, list[Span]], window: Window, *, always: bool
) -> tuple[list[tuple[int, Span]], list[Span]]:
    """Requests that held their loop all the while, with its process; and those that awaited.
    `always`: an endpoint whose code awaits nothing. Of others only those that were alone with
    their loop are known to be what held it."""
    by_loop: dict[int, list[Span]] = {}
    for pid, route, start_s, ended_s in on_loop.select(LOOPED).iter_rows():
        by_loop.setdefault(pid, []).append(Span(start_s, ended_s or window.end_s, route))
    held, awaiting = list[tuple[int, Span]](), list[Span]()
    for pid, spans in by_loop.items():
        for place, span in enumerate(spans):
            if always or (
                not overlaps_neighbour(spans, place)
                and compute_stalled_share(span, silences.get(pid, [])) >= HELD_SHARE
            ):
                held.append((pid, span))
            else:
                awaiting.append(span)
    return held, sorted(awaiting, key=lambda each: each.start_s)


def overlaps_neighbour(spans: Sequence[Span], place: int) -> bool:
    """Of one loop's spans in the order of their begin. Whoever began before and lasts longer is
    found among the last few, or the loop is no candidate anyway: it serves many."""
    own = spans[place]
    near = (*spans[max(0, place - NEAR) : place], *spans[place + 1 : place + 2])
    return any(other.start_s < own.end_s and other.end_s > own.start_s for other in near)


def compute_stalled_share(span: Span, silences: Sequence[Span]) -> float:
    """`silences` in the order of time, apart from each other."""
    length_s = span.end_s - span.start_s
    if length_s <= 0:
        return 0.0
    first = bisect_left(silences, span.start_s, key=lambda each: each.end_s)
    common_s = 0.0
    for each in islice(silences, first, None):
        if each.start_s >= span.end_s:
            break
        common_s += min(span.end_s, each.end_s) - max(span.start_s, each.start_s)
    return common_s / length_s


def subtract_spans(silence: Span, taken: Iterable[Span]) -> Iterator[Span]:
    """Of what is not taken, whatever is longer than a beat. `taken` in the order of time."""
    begin_s = silence.start_s
    for each in taken:
        if each.end_s <= begin_s or each.start_s >= silence.end_s:
            continue
        if each.start_s - begin_s > BEAT_S:
            yield Span(begin_s, each.start_s, silence.what)
        begin_s = max(begin_s, each.end_s)
    if silence.end_s - begin_s > BEAT_S:
        yield Span(begin_s, silence.end_s, silence.what)
