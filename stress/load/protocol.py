"""What the runner and the load processes tell each other, and what a master makes of it.

On this machine through small files in the cell's folder: they outlive either side, and reading
them asks nothing of the server. To and from other machines inside Locust's own messages.
Times are time.monotonic() of this host, in seconds, unless they say "ago" or "in".
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from records.clocks import ClockSample
from scenarios.model import Endpoint, Load, RareRequest
from scenarios.units import Second

PLAN_OPTION = "--load-plan"
"""An option of our own for Locust: the master passes it on to workers with the order to begin."""
CLOCKS_FILE = "load-clocks.jsonl"
GO_FILE = "load-go"
"""The server answers, load processes on other machines have come, and the runner is ready to look:
the load begins."""
HELLO, REFUSED, PLACE, BEGIN, CONTROL, CLOCK, LEAVING = (
    f"avt_{what}" for what in ("hello", "refused", "place", "begin", "control", "clock", "leaving")
)
"""Our own kinds of Locust message. A worker says hello with its versions and is refused, or given
its place among the load processes; it is told when an open loop's schedule begins and when to
stop, asked for its clock, and sends what it has when it is ended early."""
BEGIN_IN_S = 0.3
"""From the word to the first request due: by then every load process looks at its schedule, also
one that was busy when the word came."""
LOOKS_S: Second = 0.25
"""So often load processes report, and so often the master looks who has."""
SILENT_LOOKS = 10
"""2.5 s without a word, and it is lost: one that is merely busy misses a few, and the shortest
drain lasts 3 s. Counted in looks and not by the clock: a machine that was asleep has looked no
oftener than it has listened."""
DOUBTFUL_LOOKS = 3
"""One that is silent for longer is waited for, in the drain; at its end it is lost."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """timeout_s: longer than any cell: a request that is not answered is unfinished, not a client's
    error. distributed: whether load processes may be on other machines, with clocks of their own.
    """

    host: str
    endpoint: Endpoint
    rare: RareRequest | None
    load: Load
    cell_number: int
    folder: str
    timeout_s: float
    distributed: bool


@dataclass(frozen=True, slots=True)
class LoadControl:
    """stop_at_s: users send nothing more; drain_until_s: what is open then stays unfinished.
    requests: both come earlier by as much as so many completions, from now on, need less; only
    where there is one load process."""

    stop_at_s: float
    drain_until_s: float
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """Of one load process, or of all. warm: users with an answer, good or bad, to a request which
    they sent after the ramp's end."""

    users: int = 0
    warm: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class LoadProgress(LoadCounts):
    """Sums over the load processes that have reported.

    ready: how many have come and fit; refused: why the last that did not was sent away.
    processes: how many were given users; lost: how many of those fell silent or were ended.
    """

    ramp_end_s: float | None = None
    ready: int = 0
    refused: str = ""
    processes: int = 0
    lost: int = 0
    counted_from_s: float | None = None
    counted_until_s: float | None = None
    """Of the completions that were to be counted, where they were."""


@dataclass(frozen=True, slots=True)
class LoadReport(LoadCounts):
    """rows: the journal since the last report. ramp_ended_ago_s instead of a moment: the master
    may have another clock."""

    rows: bytes = b""
    ramp_ended_ago_s: Second | None = None


@dataclass(slots=True)
class LoadReports:
    """By the number of the load process. Times are the master's."""

    _last: dict[int, LoadReport] = field(default_factory=dict)
    _silent_looks: dict[int, int] = field(default_factory=dict)
    _ramp_end_s: dict[int, Second] = field(default_factory=dict)
    _left: set[int] = field(default_factory=set)

    def expect_processes(self, processes: int) -> None:
        """From now on each of them counts, and is missed."""
        self._silent_looks = dict.fromkeys(range(processes), 0)

    def record_report(self, process: int, report: LoadReport, now_s: Second) -> None:
        self._last[process] = report
        self._silent_looks[process] = 0
        if report.ramp_ended_ago_s is not None:
            self._ramp_end_s.setdefault(process, now_s - report.ramp_ended_ago_s)

    def record_departure(self, process: int) -> None:
        """It was ended, and said so."""
        self._left.add(process)

    def count_silent_beat(self) -> None:
        for process in self._silent_looks:
            self._silent_looks[process] += 1

    def find_lost(self) -> frozenset[int]:
        return self._find_silent(SILENT_LOOKS) | self._left

    def has_heard_all(self) -> bool:
        """Whether each has lately reported, or never will again."""
        return self._find_silent(DOUBTFUL_LOOKS) <= self.find_lost()

    def mark_silent_as_lost(self) -> None:
        """Nothing is waited for any more."""
        self._left |= self._find_silent(DOUBTFUL_LOOKS)

    def _find_silent(self, looks: int) -> frozenset[int]:
        return frozenset(key for key, silent in self._silent_looks.items() if silent > looks)

    def sum_progress(self) -> LoadProgress:
        """A lost process's users are no load any more: what it had open is not waited for. The ramp
        has ended when it has in every process that lives."""
        lost = self.find_lost()
        alive = self._silent_looks.keys() - lost
        ramp_ends_s = [self._ramp_end_s[key] for key in alive & self._ramp_end_s.keys()]
        all_ended = 0 < len(ramp_ends_s) == len(alive)
        sums = {
            each.name: sum(getattr(report, each.name) for report in self._last.values())
            for each in fields(LoadCounts)
        }
        sums["in_flight"] -= sum(self._last[key].in_flight for key in lost & self._last.keys())
        return LoadProgress(
            **sums,
            ramp_end_s=max(ramp_ends_s) if all_ended else None,
            processes=len(self._silent_looks),
            lost=len(lost),
        )


FILES: dict[type, str] = {LoadControl: "load-control.json", LoadProgress: "load-progress.json"}
Message = TypeVar("Message", LoadControl, LoadProgress)


def write_message(folder: Path, message: LoadControl | LoadProgress) -> None:
    """Whole or not at all: the reader never sees half a file."""
    path = folder / FILES[type(message)]
    half = path.with_suffix(".half")
    half.write_text(json.dumps(asdict(message)))
    half.replace(path)


def read_message(folder: Path, kind: type[Message]) -> Message | None:
    """The last one; None before the first."""
    text = read_if_written(folder / FILES[kind])
    return kind(**json.loads(text)) if text else None


def read_progress(folder: Path) -> LoadProgress:
    return read_message(folder, LoadProgress) or LoadProgress()


def append_clocks(folder: Path, samples: Sequence[ClockSample]) -> None:
    with (folder / CLOCKS_FILE).open("a") as file:
        file.writelines(json.dumps(asdict(sample)) + "\n" for sample in samples)


def read_clocks(folder: Path) -> list[ClockSample]:
    """Without a half last line, which SIGKILL may leave."""
    whole, _, _ = read_if_written(folder / CLOCKS_FILE).rpartition("\n")
    return [ClockSample(**json.loads(line)) for line in whole.splitlines()]


def read_if_written(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
