"""Who was where: a row for each thread and for each request that waits on a loop, a bar a request.

A thread of a pool holds one request at a time, and its bar is solid. A loop holds many that only
await: each such request takes a row of its own, drawn light, and the loop's own row shows only
what is known to have run on it or to have held it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice

import polars as pl

from analysis.measures.blocking_sites import BEAT_S
from analysis.measures.request_accounting import is_bystander_request
from analysis.measures.window import CellTables, Window
from records.cell import CellRecord
from scenarios.units import Second

MOST_ROWS = 48
"""Of threads, and of awaiting requests: more are not told apart on a screen."""
MOST_REQUESTS = 40_000
"""That are looked at."""
MOST_BARS = 4_000
"""That a page holds for one cell."""
NEAR = 8
TOO_SHORT_S = 0.0005
"""To be seen, of the sending."""
SILENT_S = 3 * BEAT_S
"""A heartbeat older than this: the loop does something else."""
HELD_SHARE = 0.8
"""Of a request's time in its handler; the last samples of a silence are up to a beat too early."""
HANDLED = (
    "pid", "request_id", "route", "queued_s", "started_s", "ended_s", "sent_s", "thread_id",
    "thread_kind",
)  # fmt: skip
LOOPED = ("pid", "route", "started_s", "ended_s")
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
class Span:
    start_s: Second
    end_s: Second
    what: str = ""


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


def build_timeline_from_rows(
    handlers: pl.DataFrame,
    probe: pl.DataFrame,
    window: Window,
    *,
    blocks: bool,
    most_requests: int = MOST_REQUESTS,
) -> Timeline:
    """`blocks`: the endpoint's code awaits nothing, and so holds its loop from start to end."""
    begun = handlers.filter(~is_bystander_request(), pl.col("started_s") < window.end_s)
    handlers = fill_missing_ends(begun, probe).filter(
        pl.col("ended_s").fill_null(window.end_s) > window.start_s
    )
    span = shorten_window(handlers["started_s"], window, most_requests)
    handlers = handlers.filter(pl.col("started_s") < span.end_s).sort("started_s", "request_id")
    probe = probe.filter(span.contains("at_s"))
    loops = name_loops(handlers, probe)
    silences = {pid: find_stalls(probe.filter(pl.col("pid") == pid)) for pid in loops}
    on_loop = handlers.filter(pl.col("thread_kind") == "loop")
    held, awaiting = split_blocking(on_loop, silences, span, always=blocks)
    threads = handlers.filter(pl.col("thread_kind") != "loop", pl.col("thread_id").is_not_null())
    thread_rows = name_threads(
        threads.select("pid", "thread_id").unique(maintain_order=True).rows()
    )
    slots, most = pack_rows(awaiting, span)
    bars = [
        *build_loop_bars(held, silences, loops),
        *build_thread_bars(threads, thread_rows, span),
        *slots,
    ]
    inside = pl.DataFrame(bars, schema=BAR, orient="row").filter(
        pl.col("end_s") > span.start_s, pl.col("start_s") < span.end_s
    )
    drawn = inside.filter(pl.col("kind") != WAITING)["start_s"].clip(lower_bound=span.start_s)
    span = shorten_window(drawn, span, MOST_BARS)
    # a wait is drawn with what came of it
    begins = pl.when(pl.col("kind") == WAITING).then("end_s").otherwise("start_s")
    return Timeline(
        bars=inside.filter(begins < span.end_s).sort("start_s", maintain_order=True),
        rows=(
            *loops.values(),
            *list(thread_rows.values())[:MOST_ROWS],
            *(name_slot(number) for number in range(min(most, MOST_ROWS))),
        ),
        left_out=max(0, len(thread_rows) - MOST_ROWS) + max(0, most - MOST_ROWS),
        span=span,
        is_shortened=span.end_s < window.end_s,
    )


Bar = tuple[str, str, Second, Second, str]


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


def name_threads(threads: Iterable[tuple[object, ...]]) -> dict[tuple[object, ...], str]:
    return {each: f"thread {number:>3}" for number, each in enumerate(threads, start=1)}


def name_slot(number: int) -> str:
    return f"await {number + 1:>3}"


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
