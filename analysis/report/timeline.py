"""Thread and event-loop timeline: a row for each thread and each awaiting request, a bar for each
request.

A pool thread runs one request or one offloaded call at a time, drawn as a solid bar. An event loop
has many requests that only await: each takes a light bar in its own row, and the loop's row shows
only what is known to have run on the loop or to have blocked it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count

import numpy as np
import polars as pl

from analysis.measures.probe_metrics import BEAT_S, SITE
from analysis.measures.request_accounting import is_bystander_request
from analysis.measures.window import Window
from scenarios.units import Second

MOST_ROWS = 48
"""Rows of threads, and of awaiting requests: more are hard to distinguish on a screen."""
MOST_REQUESTS = 40_000
"""Requests that are examined."""
MOST_BARS = 4_000
"""Bars that a page holds for one cell."""
TOO_SHORT_S = 0.0005
"""A response sent faster than this would be invisible."""
SILENT_S = 3 * BEAT_S
"""A heartbeat older than this means that the event loop is busy or blocked."""
HELD_SHARE = 0.8
"""Least share of a request's handler time in stalls: a stall's last sample may be a beat early."""
NEAR = 8
"""Number of earlier requests searched for one that still runs. A loop that serves more than this at
once is not blocked."""
HANDLED = (
    "pid", "request_id", "route", "queued_s", "started_s", "ended_s", "sent_s", "thread_id",
    "thread_kind",
)  # fmt: skip
PROBED = ("pid", "at_s", "heartbeat_age_s", *SITE)
KINDS = WAITING, HANDLING, AWAITING, HOLDING, SILENT, SENDING = (
    "waits for a thread",
    "runs in a thread",
    "awaits",
    "blocks the event loop",
    "event loop unresponsive",
    "sends the response",
)
Span = tuple[Second, Second]


@dataclass(frozen=True, slots=True)
class Timeline:
    """`bars`: row, kind, start_s, end_s, what (the route, or the code that blocked the loop);
    `rows` from top to bottom. The bars of one row and kind never overlap, except waits, which are
    drawn in the row of the thread that later served them. left_out: number of rows left out. span:
    the part of the cell's time that is shown."""

    bars: pl.DataFrame
    rows: tuple[str, ...]
    left_out: int
    span: Window
    is_shortened: bool = False
    """Whether the span ends before the requested window."""
    lacks_calls: bool = False
    """Whether requests offloaded calls to threads that no record names."""

    @property
    def is_empty(self) -> bool:
        return self.bars.is_empty()


def build_timeline_from_rows(
    handlers: pl.DataFrame,
    probe: pl.DataFrame,
    window: Window,
    *,
    blocks: bool,
    most_requests: int = MOST_REQUESTS,
) -> Timeline:
    """`blocks`: the endpoint's code awaits nothing and blocks its event loop from start to end."""
    handlers, span = select_handlers(handlers, probe, window, most_requests)
    probe = probe.filter(span.contains("at_s"))
    loops, stalls = name_loops(handlers, probe), find_stalls(probe)
    is_on_loop = pl.col("thread_kind") == "loop"
    bars, awaiting = list[pl.DataFrame](), [handlers.clear()]
    for pid, row in loops.items():
        own = handlers.filter(is_on_loop, pl.col("pid") == pid)
        silences = stalls.filter(pl.col("pid") == pid)
        is_held = find_holders(own, silences, always=blocks)
        awaiting.append(own.filter(~is_held))
        bars += build_loop_bars(row, own.filter(is_held), silences)
    on_threads = handlers.filter(~is_on_loop, pl.col("thread_id").is_not_null())
    threads, thread_rows = name_rows("thread", number_threads(on_threads))
    waits, wait_rows = name_rows("await", pack_rows(pl.concat(awaiting)))
    bars += [*build_thread_bars(threads), build_bars(waits, AWAITING, "started_s", "ended_s")]
    shown, span = select_bars(pl.concat(bars), span)
    rows = (*loops.values(), *thread_rows[:MOST_ROWS], *wait_rows[:MOST_ROWS])
    left_out = max(0, len(thread_rows) - MOST_ROWS) + max(0, len(wait_rows) - MOST_ROWS)
    return Timeline(shown, rows, left_out, span, is_shortened=span.end_s < window.end_s)


def select_handlers(
    handlers: pl.DataFrame, probe: pl.DataFrame, window: Window, most: int
) -> tuple[pl.DataFrame, Window]:
    """Select the window's requests, at most `most`, and shorten the window to fit. A handler
    without an end ran until its process was last seen."""
    last = probe.group_by("pid").agg(seen_s=pl.col("at_s").max())
    found = (
        handlers.filter(~is_bystander_request(), pl.col("started_s") < window.end_s)
        .join(last, on="pid", how="left")
        .with_columns(ended_s=pl.coalesce("ended_s", "seen_s", pl.lit(window.end_s)))
        .filter(pl.col("ended_s") > window.start_s)
    )
    span = shorten_window(found["started_s"], window, most)
    return found.filter(pl.col("started_s") < span.end_s).sort("started_s", "request_id"), span


def select_bars(bars: pl.DataFrame, span: Window) -> tuple[pl.DataFrame, Window]:
    """Select the span's bars, at most MOST_BARS, and shorten the span to fit. A wait is drawn with
    the work that follows it."""
    inside = bars.filter(pl.col("end_s") > span.start_s, pl.col("start_s") < span.end_s)
    is_wait = pl.col("kind") == WAITING
    span = shorten_window(
        inside.filter(~is_wait)["start_s"].clip(lower_bound=span.start_s), span, MOST_BARS
    )
    begins = pl.when(is_wait).then("end_s").otherwise("start_s")
    return inside.filter(begins < span.end_s).sort("start_s", maintain_order=True), span


def shorten_window(moments: pl.Series, span: Window, most: int) -> Window:
    """Shorten the window so that at most `most` moments lie in it."""
    if len(moments) <= most:
        return span
    return Window(span.start_s, max(float(moments.sort()[most]), span.start_s))


def name_loops(handlers: pl.DataFrame, probe: pl.DataFrame) -> dict[int, str]:
    """Name the event loop of each process id."""
    pids = sorted({*handlers["pid"], *probe["pid"]})
    several = len(pids) > 1
    return {pid: f"loop {place}" if several else "loop" for place, pid in enumerate(pids, start=1)}


def find_stalls(probe: pl.DataFrame) -> pl.DataFrame:
    """Return pid, start_s, end_s and, if known, the blocking code of each stall, in order of time.
    A sample whose last beat came before the previous sample belongs to the same stall."""
    start_s, what = pl.col("at_s") - pl.col("heartbeat_age_s"), pl.col("what")
    return (
        probe.filter(pl.col("heartbeat_age_s") > SILENT_S)
        .sort("pid", "at_s")
        .with_columns(
            start_s=start_s,
            what=pl.concat_str(SITE, separator=" at ", ignore_nulls=True),
            is_new=(start_s >= pl.col("at_s").shift().over("pid")).fill_null(value=True),
        )
        .group_by("pid", pl.col("is_new").cum_sum(), maintain_order=True)
        .agg(pl.first("start_s"), end_s=pl.last("at_s"), what=what.filter(what != "").last())
        .with_columns(what.fill_null(""))
    )


def find_holders(own: pl.DataFrame, silences: pl.DataFrame, *, always: bool) -> pl.Series:
    """Mark the requests of one loop, in order of start, that blocked it: all (`always`), or those
    that ran alone while the loop was stalled."""
    if always or silences.is_empty():
        return pl.repeat(always, own.height, dtype=pl.Boolean, eager=True)
    lengths_s = (silences["end_s"] - silences["start_s"]).to_numpy()
    edges_s = silences.select("start_s", "end_s").to_numpy().ravel()
    silent_s = np.repeat(lengths_s.cumsum(), 2)  # until each edge
    silent_s[::2] -= lengths_s
    begin, end = own["started_s"], own["ended_s"]
    stalled_s = np.interp(end, edges_s, silent_s) - np.interp(begin, edges_s, silent_s)
    last_end = end.shift(fill_value=-np.inf).rolling_max(NEAR, min_samples=1)
    is_alone = (last_end <= begin) & (begin.shift(-1, fill_value=np.inf) >= end)
    return is_alone & (pl.Series(stalled_s) > HELD_SHARE * (end - begin))


def build_bars(requests: pl.DataFrame, kind: str, start: str, end: str) -> pl.DataFrame:
    """Build bars from one time column to another, for requests with a row."""
    return requests.select("row", kind=pl.lit(kind), start_s=start, end_s=end, what="route")


def build_loop_bars(row: str, held: pl.DataFrame, silences: pl.DataFrame) -> list[pl.DataFrame]:
    """Build bars of the blocking requests, and of the parts of stalls that none accounts for."""
    bars = build_bars(held.with_columns(row=pl.lit(row)), HOLDING, "started_s", "ended_s")
    taken = bars.select("start_s", "end_s").rows()
    rest = [
        (row, SILENT, *span, what)
        for start_s, end_s, what in silences.select("start_s", "end_s", "what").iter_rows()
        for span in subtract_spans((start_s, end_s), taken)
    ]
    return [bars, pl.DataFrame(rest, bars.schema, orient="row")]


def subtract_spans(silence: Span, taken: Iterable[Span]) -> Iterator[Span]:
    """Yield the free parts that are longer than a beat. `taken`: in order of time."""
    begin_s, end_s = silence
    inside = [each for each in taken if each[1] > begin_s and each[0] < end_s]
    for next_begin_s, next_end_s in (*inside, (end_s, end_s)):
        if next_begin_s - begin_s > BEAT_S:
            yield begin_s, next_begin_s
        begin_s = max(begin_s, next_end_s)


def build_thread_bars(threads: pl.DataFrame) -> Iterator[pl.DataFrame]:
    queued, sending_s = pl.col("queued_s"), pl.col("sent_s") - pl.col("ended_s")
    yield build_bars(threads.filter(queued < pl.col("started_s")), WAITING, "queued_s", "started_s")
    yield build_bars(threads, HANDLING, "started_s", "ended_s")
    yield build_bars(threads.filter(sending_s > TOO_SHORT_S), SENDING, "ended_s", "sent_s")


def number_threads(requests: pl.DataFrame) -> pl.DataFrame:
    """Add `place`: the number of the thread, in order of appearance."""
    known = requests.select("pid", "thread_id").unique(maintain_order=True).with_row_index("place")
    return requests.join(known, on=["pid", "thread_id"], maintain_order="left")


def pack_rows(requests: pl.DataFrame) -> pl.DataFrame:
    """Add `place`: the first row that is free when the request starts."""
    requests = requests.sort("started_s", maintain_order=True)
    free: list[int] = []
    busy: list[tuple[Second, int]] = []
    fresh, places = count(), list[int]()
    for start_s, end_s in requests.select("started_s", "ended_s").iter_rows():
        while busy and busy[0][0] <= start_s:
            heappush(free, heappop(busy)[1])
        places.append(heappop(free) if free else next(fresh))
        heappush(busy, (end_s, places[-1]))
    return requests.with_columns(place=pl.Series(places, dtype=pl.UInt32))


def name_rows(word: str, requests: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the requests of the rows shown, with the row's name, and the names of all rows."""
    names = [f"{word} {number + 1:>3}" for number in range(requests["place"].n_unique())]
    shown = requests.filter(pl.col("place") < MOST_ROWS)
    return shown.with_columns(row=pl.Series(names, dtype=pl.String).gather(shown["place"])), names
