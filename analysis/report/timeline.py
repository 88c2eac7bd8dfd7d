"""Who was where: a row for each thread and for each request that waits on a loop, a bar a request.

A thread of a pool holds one request at a time, and its bar is solid. A loop holds many that only
await: each such request takes a row of its own, drawn light, and the loop's own row shows only
what is known to have run on it or to have held it.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice

import polars as pl

from analysis.measures.request_accounting import is_bystander_request
from analysis.measures.window import CellTables, Window
from analysis.report.stalls import Span, find_stalls, split_blocking, subtract_spans
from records.cell import CellRecord
from scenarios.units import Second

MOST_ROWS = 48
"""Of threads, and of awaiting requests: more are not told apart on a screen."""
MOST_REQUESTS = 40_000
"""That are looked at."""
MOST_BARS = 4_000
"""That a page holds for one cell."""
TOO_SHORT_S = 0.0005
"""To be seen, of the sending."""
HANDLED = (
    "pid", "request_id", "route", "queued_s", "started_s", "ended_s", "sent_s", "thread_id",
    "thread_kind",
)  # fmt: skip
PROBED = ("pid", "at_s", "heartbeat_age_s", "blocked_route", "blocked_frame")

WAITING, HANDLING, AWAITING, HOLDING, SILENT, SENDING = (
    "waits for a thread",
    "holds its thread",
    "awaits",
    "blocks the loop",
    "loop is silent",
    "is being sent",
)
KINDS = (WAITING, HANDLING, AWAITING, HOLDING, SILENT, SENDING)
BAR = {
    "row": pl.String,
    "kind": pl.String,
    "start_s": pl.Float64,
    "end_s": pl.Float64,
    "what": pl.String,
}


@dataclass(frozen=True, slots=True)
class Timeline:
    """`bars`: row, kind, start_s, end_s, what (a request's route, or what held the loop); `rows`
    from top to bottom. The bars of one row and kind never overlap, but for those that wait: theirs
    are drawn in the row of the thread that came to serve them. left_out: rows that there were
    beside. span: what may be looked at, of the cell's time."""

    bars: pl.DataFrame
    rows: tuple[str, ...]
    left_out: int
    span: Window
    is_shortened: bool = False
    """Whether the span ends before what was asked for."""

    @property
    def is_empty(self) -> bool:
        return self.bars.is_empty()


def build_timeline(record: CellRecord, cell: CellTables, window: Window) -> Timeline:
    """Of what was inside the window, or of as much of it as is worth a page."""
    blocks = record.scenario.endpoint.blocks_the_loop
    handlers, probe = cell.load_table("handlers", HANDLED), cell.load_table("probe", PROBED)
    return build_timeline_from_rows(handlers, probe, window, blocks=blocks)


Bar = tuple[str, str, Second, Second, str]


def build_timeline_from_rows(
    handlers: pl.DataFrame,
    probe: pl.DataFrame,
    window: Window,
    *,
    blocks: bool,
    most_requests: int = MOST_REQUESTS,
) -> Timeline:
    """`blocks`: the endpoint's code awaits nothing, and so holds its loop from start to end."""
    handlers, span = select_handlers(handlers, probe, window, most_requests)
    probe = probe.filter(span.contains("at_s"))
    loops = name_loops(handlers, probe)
    stalls = {pid: find_stalls(probe.filter(pl.col("pid") == pid)) for pid in loops}
    is_on_loop = pl.col("thread_kind") == "loop"
    held, awaiting = split_blocking(handlers.filter(is_on_loop), stalls, span, always=blocks)
    threads = handlers.filter(~is_on_loop, pl.col("thread_id").is_not_null())
    thread_rows = name_threads(threads)
    slots, most = pack_rows(awaiting, span)
    on_threads = build_thread_bars(threads, thread_rows, span)
    bars, span = select_bars((*build_loop_bars(held, stalls, loops), *on_threads, *slots), span)
    named = (*islice(thread_rows.values(), MOST_ROWS), *map(name_slot, range(min(most, MOST_ROWS))))
    return Timeline(
        bars=bars,
        rows=(*loops.values(), *named),
        left_out=max(0, len(thread_rows) - MOST_ROWS) + max(0, most - MOST_ROWS),
        span=span,
        is_shortened=span.end_s < window.end_s,
    )


def select_handlers(
    handlers: pl.DataFrame, probe: pl.DataFrame, window: Window, most: int
) -> tuple[pl.DataFrame, Window]:
    """The requests in the window, or in as much of it as has so many."""
    begun = handlers.filter(~is_bystander_request(), pl.col("started_s") < window.end_s)
    found = fill_missing_ends(begun, probe).filter(
        pl.col("ended_s").fill_null(window.end_s) > window.start_s
    )
    span = shorten_window(found["started_s"], window, most)
    return found.filter(pl.col("started_s") < span.end_s).sort("started_s", "request_id"), span


def select_bars(bars: Sequence[Bar], span: Window) -> tuple[pl.DataFrame, Window]:
    """Those in the span, or in as much of it as has MOST_BARS. A wait is drawn with what came of
    it."""
    frame = pl.DataFrame(bars, schema=BAR, orient="row")
    inside = frame.filter(pl.col("end_s") > span.start_s, pl.col("start_s") < span.end_s)
    is_wait = pl.col("kind") == WAITING
    span = shorten_window(
        inside.filter(~is_wait)["start_s"].clip(lower_bound=span.start_s), span, MOST_BARS
    )
    begins = pl.when(is_wait).then("end_s").otherwise("start_s")
    return inside.filter(begins < span.end_s).sort("start_s", maintain_order=True), span


def fill_missing_ends(handlers: pl.DataFrame, probe: pl.DataFrame) -> pl.DataFrame:
    """A handler without an end ran until its process was last seen."""
    last = probe.group_by("pid").agg(seen_s=pl.col("at_s").max())
    return handlers.join(last, on="pid", how="left", maintain_order="left").with_columns(
        ended_s=pl.coalesce("ended_s", "seen_s")
    )


def shorten_window(moments: pl.Series, span: Window, most: int) -> Window:
    """So that no more than so many begin in it."""
    if len(moments) <= most:
        return span
    return Window(span.start_s, max(float(moments.sort()[most]), span.start_s))


def name_loops(handlers: pl.DataFrame, probe: pl.DataFrame) -> dict[int, str]:
    """By process id."""
    pids = sorted({*handlers["pid"].unique().to_list(), *probe["pid"].unique().to_list()})
    if len(pids) == 1:
        return {pids[0]: "loop"}
    return {pid: f"loop {number}" for number, pid in enumerate(pids, start=1)}


def name_threads(threads: pl.DataFrame) -> dict[tuple[object, ...], str]:
    """By process and thread id, in the order in which they come."""
    known = threads.select("pid", "thread_id").unique(maintain_order=True).rows()
    return {each: f"thread {number:>3}" for number, each in enumerate(known, start=1)}


def name_slot(number: int) -> str:
    return f"await {number + 1:>3}"


def build_loop_bars(
    held: Iterable[tuple[int, Span]], silences: dict[int, list[Span]], loops: dict[int, str]
) -> Iterator[Bar]:
    """What of a silence no request accounts for stands between those that do."""
    by_loop: dict[int, list[Span]] = {pid: [] for pid in loops}
    for pid, span in held:
        by_loop[pid].append(span)
    for pid, row in loops.items():
        own = by_loop[pid]
        yield from ((row, HOLDING, each.start_s, each.end_s, each.what) for each in own)
        for silence in silences[pid]:
            for rest in subtract_spans(silence, own):
                yield row, SILENT, rest.start_s, rest.end_s, rest.what


def build_thread_bars(
    threads: pl.DataFrame, rows: dict[tuple[object, ...], str], window: Window
) -> Iterator[Bar]:
    shown = dict(list(rows.items())[:MOST_ROWS])
    columns = ("pid", "thread_id", "route", "queued_s", "started_s", "ended_s", "sent_s")
    for pid, thread, route, queued_s, start_s, ended_s, sent_s in threads.select(columns).rows():
        row = shown.get((pid, thread))
        if row is None:
            continue
        if queued_s is not None and queued_s < start_s:
            yield row, WAITING, queued_s, start_s, route
        yield row, HANDLING, start_s, ended_s or window.end_s, route
        if ended_s is not None and sent_s is not None and sent_s - ended_s > TOO_SHORT_S:
            yield row, SENDING, ended_s, sent_s, route


def pack_rows(awaiting: Iterable[Span], window: Window) -> tuple[list[Bar], int]:
    """Each in the first row that is free when it begins; the bars of the rows shown, and how many
    rows it takes. `awaiting` in the order of time."""
    free: list[int] = []
    busy: list[tuple[Second, int]] = []
    fresh = count()
    bars: list[Bar] = []
    most = 0
    for each in awaiting:
        while busy and busy[0][0] <= each.start_s:
            heappush(free, heappop(busy)[1])
        slot = heappop(free) if free else next(fresh)
        most = max(most, slot + 1)
        heappush(busy, (each.end_s, slot))
        if slot < MOST_ROWS and each.end_s > window.start_s:
            bars.append((name_slot(slot), AWAITING, each.start_s, each.end_s, each.what))
    return bars, most
