"""Messages between the runner and the load processes, and the master's summary of them.

On this machine, messages are small files in the cell's folder: they outlive both sides and cost
the server nothing. To and from other machines, they travel inside Locust's messages. Times are
time.monotonic() of this host in seconds, unless their name has "ago" or "in".
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from records.clocks import ClockSample
from records.files import write_whole
from scenarios.model import Endpoint, Load, RareRequest
from scenarios.units import Second

PLAN_OPTION = "--load-plan"
"""A custom Locust option, which the master passes to its workers when it starts them."""
CLOCKS_FILE = "load-clocks.jsonl"
GO_FILE = "load-go"
"""Starts the load. The runner creates it when the server responds, the remote load workers have
connected, and its monitors run."""
HELLO, REFUSED, PLACE, BEGIN, CONTROL, CLOCK, LEAVING = (
    f"avt_{what}" for what in ("hello", "refused", "place", "begin", "control", "clock", "leaving")
)
"""Custom Locust messages. A worker sends HELLO with its versions and gets REFUSED or PLACE, its
number among the load processes. BEGIN starts an open loop's schedule, CONTROL sets the stop times,
CLOCK reads the worker's clock, and LEAVING carries the last rows of a worker that ends early."""
BEGIN_IN_S = 0.3
"""Delay from BEGIN to the first due request, so that even a busy load process starts on time."""
LOOKS_S: Second = 0.25
"""Interval of the load processes' reports and of the master's check for silent ones."""
SILENT_LOOKS = 10
"""A process is lost after 2.5 s without a report: a busy one misses a few, and the shortest drain
lasts 3 s. Counted in checks, not in seconds, so that a machine that was asleep loses none."""
STARTING_LOOKS = 120
"""A process has 30 s more for its first report: 64 of them start for seconds on two slow cores."""
DOUBTFUL_LOOKS = 3
"""The drain waits for a process that is silent for longer; at the drain's end it is lost."""


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """shows_bodies: record the beginning of a failed response, which may be a secret of the user's.
    timeout_s: longer than any cell, so that an unanswered request is unfinished, not a client
    error. distributed: load processes may be on other machines, with other clocks.
    """

    host: str
    endpoint: Endpoint
    rare: RareRequest | None
    load: Load
    cell_number: int
    folder: str
    timeout_s: float
    distributed: bool
    shows_bodies: bool = False


@dataclass(frozen=True, slots=True)
class LoadControl:
    """stop_at_s: users send nothing after it. drain_until_s: a request without a response by then
    stays unfinished. requests: after this many completions from now, sending stops early, and the
    drain moves with it; only for a single load process."""

    stop_at_s: float
    drain_until_s: float
    requests: int | None = None


@dataclass(frozen=True, slots=True)
class LoadCounts:
    """Counts of one load process, or of all. warm: users with any response to a request sent after
    the ramp's end."""

    users: int = 0
    warm: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class LoadProgress(LoadCounts):
    """Sums over the load processes that have reported.

    ready: connected workers of the right version. refused: why the last other worker was refused.
    processes: number of processes with users. lost: how many of those went silent or ended.
    """

    ramp_end_s: float | None = None
    ready: int = 0
    refused: str = ""
    processes: int = 0
    lost: int = 0
    counted_from_s: float | None = None
    counted_until_s: float | None = None
    """Start and end of the counted completions, if `LoadControl.requests` is set."""


@dataclass(frozen=True, slots=True)
class LoadReport(LoadCounts):
    """rows: the journal since the last report. ramp_ended_ago_s: an age and not a moment, since the
    master may have another clock."""

    rows: bytes = b""
    ramp_ended_ago_s: Second | None = None


@dataclass(slots=True)
class LoadReports:
    """Reports by number of the load process. Times are the master's."""

    _last: dict[int, LoadReport] = field(default_factory=dict)
    _silent_looks: dict[int, int] = field(default_factory=dict)
    _ramp_end_s: dict[int, Second] = field(default_factory=dict)
    _left: set[int] = field(default_factory=set)

    def expect_processes(self, processes: int) -> None:
        """Expect reports from this many processes from now on."""
        self._silent_looks = dict.fromkeys(range(processes), -STARTING_LOOKS)

    def record_report(self, process: int, report: LoadReport, now_s: Second) -> None:
        self._last[process] = report
        self._silent_looks[process] = 0
        if report.ramp_ended_ago_s is not None:
            self._ramp_end_s.setdefault(process, now_s - report.ramp_ended_ago_s)

    def record_departure(self, process: int) -> None:
        """Record a process that ended and reported it."""
        self._left.add(process)

    def count_silent_beat(self) -> None:
        for process in self._silent_looks:
            self._silent_looks[process] += 1

    def find_lost(self) -> frozenset[int]:
        return self._find_silent(SILENT_LOOKS) | self._left

    def has_heard_all(self) -> bool:
        """Return True if each process has reported recently or is lost."""
        return self._find_silent(DOUBTFUL_LOOKS) <= self.find_lost()

    def mark_silent_as_lost(self) -> None:
        """Mark the silent processes as lost, at the drain's end."""
        self._left |= self._find_silent(DOUBTFUL_LOOKS)

    def _find_silent(self, looks: int) -> frozenset[int]:
        return frozenset(key for key, silent in self._silent_looks.items() if silent > looks)

    def sum_progress(self) -> LoadProgress:
        """Sum all reports. A lost process's unfinished requests do not count as in flight. The ramp
        has ended when it has ended in every live process."""
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
    """Write a message atomically: the reader never sees a partial file."""
    write_whole(folder / FILES[type(message)], json.dumps(asdict(message)))


def read_message(folder: Path, kind: type[Message]) -> Message | None:
    """Return the last message; None before the first."""
    text = read_if_written(folder / FILES[kind])
    return kind(**json.loads(text)) if text else None


def read_progress(folder: Path) -> LoadProgress:
    return read_message(folder, LoadProgress) or LoadProgress()


def append_clocks(folder: Path, samples: Sequence[ClockSample]) -> None:
    with (folder / CLOCKS_FILE).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(sample)) + "\n" for sample in samples)


def read_clocks(folder: Path) -> list[ClockSample]:
    """Read the samples, without a torn last line, which SIGKILL may leave."""
    whole, _, _ = read_if_written(folder / CLOCKS_FILE).rpartition("\n")
    return [ClockSample(**json.loads(line)) for line in whole.splitlines()]


def read_if_written(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
