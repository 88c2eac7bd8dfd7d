"""What load processes report, and what the master makes of it."""

from dataclasses import dataclass, field, fields

from scenarios.units import Second
from stress.load.protocol import LoadCounts, LoadProgress

LOOKS_S: Second = 0.25
"""So often load processes report, and so often the master looks who has."""
SILENT_LOOKS = 10
"""2.5 s without a word, and it is lost: one that is merely busy misses a few, and the shortest
drain lasts 3 s. Counted in looks and not by the clock: a machine that was asleep has looked no
oftener than it has listened."""
DOUBTFUL_LOOKS = 3
"""One that is silent for longer is waited for, in the drain; at its end it is lost."""


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
        """A lost process's users are no load any more: what it had open is not waited for."""
        lost = self.find_lost()
        sums = {
            each.name: sum(getattr(report, each.name) for report in self._last.values())
            for each in fields(LoadCounts)
        }
        sums["in_flight"] -= sum(self._last[key].in_flight for key in lost & self._last.keys())
        return LoadProgress(
            **sums,
            ramp_end_s=self._find_ramp_end_s(lost),
            processes=len(self._silent_looks),
            lost=len(lost),
        )

    def _find_ramp_end_s(self, lost: frozenset[int]) -> Second | None:
        """None until every process that lives has come to its end."""
        alive = self._silent_looks.keys() - lost
        if not alive or not alive <= self._ramp_end_s.keys():
            return None
        return max(self._ramp_end_s[process] for process in alive)
