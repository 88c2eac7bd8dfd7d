"""Stretches: intervals in which one handle occupies the loop's thread. Each has one row with the
kernel's counters, and samples of the stack."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from math import isnan, nan
from typing import NamedTuple

from .blocks import BEAT_S, BLOCKED_AFTER_S, MISSED_S, Ended, LoopWatch, Running
from .causes import Clocks
from .clocks import monotonic
from .counters import LATE_S, Counters
from .holders import HolderLog
from .journal import STACK, Columns, ProbeJournal, make_packer
from .reentry import is_between
from .request_record import RequestRecord
from .routes import intern_route
from .silences import SilenceLog, is_silent
from .stacks import SeenFrame, read_stack

BLOCKS: Columns = (
    ("stretch", "u4"),
    ("began_s", "f8"),
    ("ended_s", "f8"),
    ("timed", "u2"),
    ("visit", "u4"),
    ("route", "text"),
    ("cpu_s", "f8"),
    ("run_delay_s", "f8"),
    ("gc_s", "f8"),
    ("unseen_s", "f8"),
    ("paused_s", "f8"),
    ("holder_thread", "u4"),
    ("holder_cpu_s", "f8"),
    ("holder_visit", "u4"),
    ("holder_route", "text"),
    ("holder_stack", "text"),
)
"""One row per stretch, written again at its end; ended_s is NaN until then."""
BLOCK_STACKS: Columns = (
    ("stretch", "u4"),
    ("at_s", "f8"),
    ("visit", "u4"),
    ("stack", "text"),
    ("in_gc", "u2"),
)
pack_block = make_packer(BLOCKS)
pack_stack = make_packer(BLOCK_STACKS)
DENSE_UNTIL_S = 0.2
SPARSER = 0.05
"""Up to DENSE_UNTIL_S every watchdog sample keeps the stack, then one whenever the stretch is 5 %
longer: about 130 samples for a stretch of one minute."""
KEPT = 500
"""Maximum of stretches and of gaps between samples that are kept."""
numbers = count(1)
"""Numbers of stretches, one sequence for all loops of the process."""
Span = tuple[float, float]
"""Start and end."""


class Blocked(NamedTuple):
    record: RequestRecord | None
    stack: Sequence[SeenFrame]


class OpenStretch:
    """A stretch that is unfinished, or has just ended."""

    def __init__(self, number: int, began_s: float) -> None:
        self.number = number
        self.began_s = began_s
        self.sample_due_s = 0.0


def is_long(running: Running | None, now_s: float) -> bool:
    return running is not None and now_s - running.began_s >= BLOCKED_AFTER_S


def subtract_spans(silence: Span, missed: Iterable[Span], known: Iterable[Span]) -> Iterator[Span]:
    """Yield the parts of a late heartbeat's delay without a sample or a known handle: the loop's
    thread could not run then. (Sampled parts without a long handle are a backlog of short ones.)"""
    within = sorted(each for each in known if each[1] > silence[0] and each[0] < silence[1])
    for first_s, last_s in missed:
        at_s, until_s = max(silence[0], first_s), min(silence[1], last_s)
        if at_s >= until_s:
            continue
        for began_s, ended_s in within:
            if ended_s > at_s and began_s < until_s:
                yield at_s, began_s
                at_s = ended_s
        yield at_s, until_s


class StretchLog:
    """Log of one loop's stretches. silences: for a loop whose handles cannot be timed."""

    def __init__(
        self,
        watch: LoopWatch,
        journal: ProbeJournal,
        silences: SilenceLog | None,
    ) -> None:
        self._watch = watch
        self._silences = silences
        self.journal = journal
        self._counters = Counters(watch.native_id)
        self._holders = HolderLog(watch)
        first = self._counters.read_clocks(monotonic())  # the GIL may be lost before the first look
        self._holders.read(first.now_s, first.others_cpu_s, reads_stacks=False)
        self._missed: deque[Span] = deque(maxlen=KEPT)
        self._known: deque[Span] = deque(maxlen=KEPT)
        self.is_doubtful = False
        """Something may block the loop: the next sample is due after BEAT_S."""
        self._running: Running | None = None
        self._open: OpenStretch | None = None

    def look(self, due_s: float, *, wrote: bool = False) -> Blocked | None:
        """Take the watchdog's sample that was due at due_s. wrote: it has written to the journal
        since the last one. Return what occupies the loop's thread, if that lasts for long."""
        watch, look = self._watch, self._counters.read_clocks(due_s)
        now_s = look.now_s
        running = watch.find_running(now_s)
        late = look.late_s > LATE_S
        doubtful = self.is_doubtful = running is not None or late or is_silent(watch, now_s)
        stack = read_stack(watch.thread) if doubtful else []
        if running is not None and (running.began_s != watch.began_s or is_between(watch, stack)):
            running = None  # the loop ran another handle before the stack was read, or waits
        if self._silences is not None:
            running = self._silences.look(now_s, running, stack, busy=late and look.busy)
        self._holders.read(now_s, look.others_cpu_s, reads_stacks=doubtful)
        if doubtful or self._counters.is_usage_due(now_s):
            self._counters.read_usage(look, wrote=wrote)
        if look.late_s > MISSED_S - BEAT_S:
            self._missed.append((max(look.last_s, now_s - look.late_s - BEAT_S), now_s))
        self._take_ended(now_s)
        self._running = running if is_long(running, now_s) else None
        if self._running is None:
            return None
        self._sample(self._running, now_s, stack)
        return Blocked(self._running.record, stack)

    def _take_ended(self, now_s: float) -> None:
        """Write what ended before the clocks were read. The GIL may have been lost since then; the
        next sample handles what ended later, because it knows the length of that gap."""
        silences, ended = self._watch.silences, self._watch.ended
        late_beats = []
        while silences and silences[0][1] <= now_s:
            late_beats.append(silences.popleft())
        while ended and ended[0].ended_s <= now_s:
            self._finish(ended.popleft())
        for silence in late_beats:
            for began_s, ended_s in subtract_spans(silence, self._missed, self._known):
                if ended_s - began_s >= BLOCKED_AFTER_S:
                    self._finish(Ended(began_s, ended_s, nan, None, timed=False))

    def write_open(self) -> None:
        """Write the unfinished stretch, which would be lost if the process were killed."""
        running, stretch = self._running, self._open
        if running is not None and stretch is not None:
            self._write(stretch, Ended(running.began_s, nan, nan, running.record, running.timed))

    def close(self) -> None:
        self._counters.close()

    def _sample(self, running: Running, now_s: float, stack: Sequence[SeenFrame]) -> None:
        stretch = self._open
        if stretch is None or stretch.began_s != running.began_s:
            stretch = self._open = OpenStretch(next(numbers), running.began_s)
        text = self._watch.stacks.format_stack(stack) if now_s >= stretch.sample_due_s else None
        if text is None:
            return
        age_s = now_s - stretch.began_s
        stretch.sample_due_s = now_s + (age_s * SPARSER if age_s > DENSE_UNTIL_S else 0.0)
        self._add_sample(stretch, now_s, running.record, text, self._watch.collecting_since_s > 0)

    def _add_sample(
        self,
        stretch: OpenStretch,
        at_s: float,
        record: RequestRecord | None,
        text: str | None,
        in_gc: bool,
    ) -> None:
        visit, text_id = record.number if record else 0, self.journal.intern_text(text, STACK)
        self.journal.add("c", pack_stack(stretch.number, at_s, visit, text_id, in_gc))

    def _take_collections(self, stretch: OpenStretch, ended: Ended) -> None:
        """Add the stacks of long collections in the stretch, read by the loop's own thread."""
        collected = self._watch.collected
        while collected and collected[0][0] <= ended.ended_s:
            at_s, text = collected.popleft()
            if at_s >= ended.began_s:
                self._add_sample(stretch, at_s, ended.record, text, in_gc=True)

    def _finish(self, ended: Ended) -> None:
        stretch = self._open
        if stretch is None or stretch.began_s != ended.began_s:
            stretch = OpenStretch(next(numbers), ended.began_s)
        else:
            self._open = None
        self._known.append((ended.began_s, ended.ended_s))
        self._take_collections(stretch, ended)
        self._write(stretch, ended)
        if not isnan(ended.cpu_s):
            self._counters.add_cpu(ended.ended_s, ended.cpu_s)

    def _write(self, stretch: OpenStretch, ended: Ended) -> None:
        began_s, until_s = ended.began_s, ended.ended_s
        if isnan(until_s):
            until_s = monotonic()
        usage = self._counters.measure(began_s, until_s, ended.cpu_s)
        holder = self._holders.find_holder(began_s, until_s)
        gc_s = self._watch.measure_gc(began_s, until_s)
        if not isnan(ended.ended_s):
            clocks = Clocks(until_s - began_s, *usage, gc_s, holder.cpu_s)
            for feed in self._watch.feeds:
                feed.note_block(ended.record, clocks)
        row = pack_block(
            *(stretch.number, began_s, ended.ended_s, ended.timed),
            *self._identify(ended.record),
            *(usage.cpu_s, usage.waited_s, gc_s),
            *(usage.unseen_s, usage.paused_s),
            *(holder.thread, holder.cpu_s),
            *self._identify(holder.record),
            self.journal.intern_text(holder.stack, STACK),
        )
        self.journal.add("b", row)

    def _identify(self, record: RequestRecord | None) -> tuple[int, int]:
        """Return a request's number and its route's index; zeros without a request."""
        if record is None:
            return 0, 0
        return record.number, intern_route(record.scope, self.journal)
