"""Follows the running cell through the journals that its processes append to."""

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import polars as pl

from records.journal import JournalError, JournalTail
from scenarios.units import Second
from stress.load.protocol import LoadProgress, read_progress
from stress.resource_monitor import is_alive

RATE_OVER_S = 2.0
"""Long enough to smooth out noise, short enough to show a stall."""
FLUSHED_WITHIN_S = 0.5
"""The probe writes every 0.25 s."""
KINDS = ("loop", "anyio_worker", "executor", "other")
VISITED = ("arrived_s", "queued_s", "started_s", "ended_s", "sent_s")
MOST_ROWS = 20_000
ENDLESS_S = 120.0
"""After so long without an end, the client has given up the request."""
REMEMBERED_S = 6.0
"""Age of the handlers and samples kept for the timeline."""
Sample = Mapping[str, object]
"""The newest row of a probe's samples, by column."""


@dataclass(frozen=True, slots=True)
class LiveSample:
    """One sample of a running cell. Rates: requests per second over the last RATE_OVER_S. failures:
    the count of each error since the cell began. threads by kind and pool: from the last sample of
    every live worker, None before the first one. threads_peak: the maximum over all samples."""

    at_s: Second
    progress: LoadProgress
    good_rps: float
    failed_rps: float
    failures: tuple[tuple[str, int], ...]
    threads: Mapping[str, int] | None
    threads_peak: int
    pool_total: int | None
    pool_borrowed: int
    pool_waiting: int
    heartbeat_age_ms: float | None
    blocked_by: str | None


UNREADABLE = (OSError, ValueError, JournalError, pl.exceptions.PolarsError)
"""Errors of files that another process is writing or has removed."""


@dataclass(slots=True)
class RecentRows:
    """Rows of the last seconds, and longer if they have no end; of rows with equal keys the most
    complete one."""

    keys: tuple[str, ...]
    times: tuple[str, ...]
    rows: pl.DataFrame | None = None

    def add(self, new: pl.DataFrame, now_s: Second) -> None:
        both = new if self.rows is None else pl.concat([self.rows, new])
        knows = pl.sum_horizontal(pl.col(time).is_not_null() for time in self.times)
        begun_s, ended_s = pl.col(self.times[0]), pl.col(self.times[-1])
        fresh = ended_s.is_null() & (begun_s >= now_s - ENDLESS_S)
        self.rows = (
            both.sort(knows, maintain_order=True)
            .unique(self.keys, keep="last", maintain_order=True)
            .filter(fresh | (ended_s >= now_s - REMEMBERED_S))
            .tail(MOST_ROWS)
        )


@dataclass(slots=True)
class CellFollower:
    """Follows the raw files of one cell. keeps_rows: keep rows in `handlers` and `probe`, as in the
    parquet files, with absolute times. alive: checks whether a process exists; a live one without
    new samples may be blocked and is shown."""

    raw: Path
    keeps_rows: bool = False
    alive: Callable[[int], bool] = is_alive
    handlers: RecentRows = field(default_factory=lambda: RecentRows(("pid", "visit"), VISITED))
    probe: RecentRows = field(default_factory=lambda: RecentRows(("pid", "at_s"), ("at_s",)))
    _tails: dict[Path, JournalTail] = field(default_factory=dict)
    _ended: deque[tuple[float, bool]] = field(default_factory=deque)
    _failures: Counter[str] = field(default_factory=Counter)
    _threads_peak: int = 0
    _samples: dict[int, Sample] = field(default_factory=dict)

    def try_sample(self) -> LiveSample | None:
        """Return a sample, or None if the files cannot be read now."""
        try:
            return self.take_sample()
        except UNREADABLE:
            return None

    def take_sample(self) -> LiveSample:
        now_s = monotonic()
        self._read_journals(now_s)
        good = sum(each for _, each in self._ended)
        newest = [each for pid, each in self._samples.items() if self.alive(pid)]
        threads = {kind: sum_samples(newest, f"threads_{kind}") for kind in KINDS}
        self._threads_peak = max(self._threads_peak, sum(threads.values()))
        oldest_beat = max(
            newest, key=lambda each: get_number(each, "heartbeat_age_s"), default=None
        )
        return LiveSample(
            at_s=now_s,
            progress=read_progress(self.raw),
            good_rps=good / RATE_OVER_S,
            failed_rps=(len(self._ended) - good) / RATE_OVER_S,
            failures=tuple(self._failures.most_common(3)),
            threads=threads if newest else None,
            threads_peak=self._threads_peak,
            pool_total=sum_samples(newest, "pool_total") if newest else None,
            pool_borrowed=sum_samples(newest, "pool_borrowed"),
            pool_waiting=sum_samples(newest, "pool_waiting"),
            heartbeat_age_ms=None if oldest_beat is None else compute_age_ms(oldest_beat, now_s),
            blocked_by=None if oldest_beat is None else get_blocking_site(oldest_beat),
        )

    def _read_journals(self, now_s: Second) -> None:
        for pattern, take in (("load-*", self._take_load), ("probe-*", self._take_probe)):
            for path in self.raw.glob(f"**/{pattern}.journal"):
                tail = self._tails.setdefault(path, JournalTail(path))
                with suppress(OSError, JournalError):  # gone or incomplete: the next sample has it
                    for letter, rows in tail.read_new_rows().items():
                        take(tail, letter, rows, now_s)
        while self._ended and self._ended[0][0] < now_s - RATE_OVER_S:
            self._ended.popleft()

    def _take_load(self, _: JournalTail, letter: str, rows: pl.DataFrame, now_s: float) -> None:
        if letter != "r":
            return
        ended = rows.filter(pl.col("ended_s").is_not_null())
        recent = ended.filter(pl.col("ended_s") >= now_s - RATE_OVER_S).sort("ended_s")
        self._ended.extend(zip(recent["ended_s"], recent["error"].is_null().to_list(), strict=True))
        self._failures.update(ended["error"].drop_nulls().to_list())

    def _take_probe(self, tail: JournalTail, letter: str, rows: pl.DataFrame, now_s: float) -> None:
        pid = tail.about.get("pid", 0)
        own = rows.with_columns(pid=pl.lit(pid))
        if letter == "s":
            self._samples[pid] = own.sort("at_s").row(-1, named=True)
        kept = {"s": self.probe, "h": self.handlers}.get(letter)
        if kept is not None and self.keeps_rows:
            kept.add(own, now_s)


def compute_age_ms(sample: Sample, now_s: Second) -> float:
    """Return the age that the probe recorded, plus the delay of its journal: a late journal means
    that the whole process is stuck."""
    late_s = max(0.0, now_s - get_number(sample, "at_s") - FLUSHED_WITHIN_S)
    return 1000 * (get_number(sample, "heartbeat_age_s") + late_s)


def sum_samples(samples: Sequence[Sample], name: str) -> int:
    return int(sum(get_number(each, name) for each in samples))


def get_number(sample: Sample, name: str) -> float:
    value = sample.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def get_blocking_site(sample: Sample) -> str | None:
    places = [sample.get("blocked_route"), sample.get("blocked_frame")]
    return " at ".join(str(each) for each in places if each) or None
