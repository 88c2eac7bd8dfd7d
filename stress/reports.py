"""What load processes report, and what the master makes of it."""

from dataclasses import asdict, dataclass, field
from time import monotonic

from records.clocks import ClockSample
from stress.protocol import Progress

SILENT_S = 2.0
"""Load processes report four times a second; one that is merely busy misses a report or two."""


@dataclass(frozen=True, slots=True)
class Report:
    """rows: the journal since the last report. ramp_ended_ago_s instead of a moment: the master
    may have another clock."""

    process: int
    rows: bytes
    users: int
    warm: int
    sent: int
    completed: int
    failed: int
    in_flight: int
    ramp_ended_ago_s: float | None

    @staticmethod
    def of(process: int, rows: bytes, progress: Progress) -> "Report":
        counts = asdict(progress)
        del counts["lost"]
        ramp_end_s = counts.pop("ramp_end_s")
        ago_s = None if ramp_end_s is None else monotonic() - ramp_end_s
        return Report(process, rows, **counts, ramp_ended_ago_s=ago_s)


@dataclass(slots=True)
class Reports:
    """Times are the master's."""

    clocks: list[ClockSample] = field(default_factory=list)
    _last: dict[int, Report] = field(default_factory=dict)
    _heard_s: dict[int, float] = field(default_factory=dict)
    _ramp_end_s: dict[int, float] = field(default_factory=dict)

    def hear(self, report: Report, now_s: float) -> None:
        self._last[report.process] = report
        self._heard_s[report.process] = now_s
        if report.ramp_ended_ago_s is not None:
            self._ramp_end_s.setdefault(report.process, now_s - report.ramp_ended_ago_s)

    def progress(self, now_s: float) -> Progress:
        """A lost process's users are no load any more: what it had open is not waited for."""
        each = list(self._last.values())
        alive = [one for one in each if now_s - self._heard_s[one.process] <= SILENT_S]
        return Progress(
            users=sum(one.users for one in each),
            warm=sum(one.warm for one in each),
            sent=sum(one.sent for one in each),
            completed=sum(one.completed for one in each),
            failed=sum(one.failed for one in each),
            in_flight=sum(one.in_flight for one in alive),
            ramp_end_s=max(self._ramp_end_s.values(), default=None),
            lost=len(each) - len(alive),
        )
