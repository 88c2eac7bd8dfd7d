"""Calls in threads of the pools that held the GIL while a loop was blocked: those that used CPU
meanwhile, by their threads' own clocks. A stack is needed only for the line.

Only one thread holds the GIL at a time. If several kinds of code used more CPU than the stretch is
long, some of it ran without the GIL. Then only code that was alone in another stretch is accused,
and only of the CPU that it surely used meanwhile.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl

from analysis.findings.blocks.causes import MOST, SWITCH_S
from analysis.findings.code_texts import parse_code
from analysis.findings.evidence import GilHolder, Stack, StackFrame, Stretch
from analysis.findings.framework import BlockPhase
from analysis.stats.quantiles import Values
from scenarios.units import Second

LEAST_S = SWITCH_S
"""The interpreter passes the GIL on this often: a call with less CPU delays no other thread."""
TOO_MUCH = 1.1
"""Relative to the stretch: threads that used more CPU cannot all have held the GIL. Clocks and
estimates of threads that did differ by less."""
Runner = str | int | None
"""The code that computes: a call's work, or a thread outside the pools."""
Code = tuple[str | None, str | None]
"""A route, and the code that ran for it."""
CALL_COLUMNS = (
    "pid", "visit", "route", "phase", "thread_id", "began_s", "ended_s", "cpu_s", "work",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ThreadWork:
    """cpu_s: of its thread meanwhile. work: "file:first_line name" of the code that ran."""

    pid: int
    visit: int | None
    route: str | None
    phase: BlockPhase | None
    thread: int
    began_s: Second
    ended_s: Second
    cpu_s: Second
    work: str | None

    @property
    def code(self) -> Code:
        return self.route, self.work

    def measure_overlap(self, stretch: Stretch) -> Second:
        overlap_s = min(self.ended_s, stretch.ended_s) - max(self.began_s, stretch.began_s)
        return max(0.0, overlap_s)

    def estimate_cpu(self, stretch: Stretch) -> Second:
        """Estimate the CPU time within the stretch, assuming that the call used it evenly."""
        overlap_s, lasted_s = self.measure_overlap(stretch), self.ended_s - self.began_s
        return min(overlap_s, self.cpu_s * overlap_s / lasted_s) if lasted_s else 0.0

    def bound_cpu(self, stretch: Stretch) -> Second:
        """Return the least CPU time within the stretch: the rest of the call is too short."""
        overlap_s = self.measure_overlap(stretch)
        return max(0.0, min(overlap_s, self.cpu_s - (self.ended_s - self.began_s - overlap_s)))

    def is_in(self, stack: Stack) -> bool:
        """Return True if the stack belongs to this call, not to what its thread ran before or
        afterwards. A C function cannot be seen: any stack that is not empty matches."""
        code = parse_code(self.work)
        if code is None:
            return bool(stack)
        file, _, name = code
        own = (file, name.rpartition(".")[2])
        return any((each.file, each.function.rpartition(".")[2]) == own for each in stack)

    def build_stack(self) -> Stack:
        """Build a stack of its function alone, at its first line; empty for C code."""
        code = parse_code(self.work)
        if code is None:
            return ()
        file, line, name = code
        return (StackFrame("", file, line, name.rpartition(".")[2], line),)


@dataclass(frozen=True, slots=True)
class GilPart:
    """One thread's part of a stretch. stack: its function alone if none was sampled. cpu_s: within
    it; sure_s: at least."""

    runner: Runner
    stack: Stack
    route: str | None
    phase: BlockPhase | None
    visit: int | None
    cpu_s: Second
    sure_s: Second


@dataclass(slots=True)
class ThreadWorks:
    """The calls of an audit; empty if the probe did not record them."""

    calls: Sequence[ThreadWork] = ()
    _seen: dict[Code, dict[Stack, Second]] = field(default_factory=dict)
    _lone: set[Runner] = field(default_factory=set)
    _began_s: Values = field(init=False)
    _ended_s: Values = field(init=False)
    _threads: set[tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        self._began_s = np.array([each.began_s for each in self.calls])
        self._ended_s = np.array([each.ended_s for each in self.calls])
        self._threads = {(each.pid, each.thread) for each in self.calls}

    @classmethod
    def load(cls, rows: pl.DataFrame) -> "ThreadWorks":
        """rows: with CALL_COLUMNS."""
        known = rows.select(CALL_COLUMNS).drop_nulls(("thread_id", "began_s", "ended_s", "cpu_s"))
        busy = known.filter(pl.col("cpu_s") >= LEAST_S)
        return cls([ThreadWork(*each) for each in busy.iter_rows()])

    def find_during(self, stretch: Stretch) -> list[ThreadWork]:
        during = (self._began_s < stretch.ended_s) & (self._ended_s > stretch.began_s)
        found = (self.calls[at] for at in np.flatnonzero(during).tolist())
        return [each for each in found if each.pid == stretch.pid]

    def learn(self, stretches: Iterable[Stretch]) -> None:
        """Learn which code holds the GIL, since it was alone in a stretch, and the stacks of calls,
        for the stretches in which none was sampled."""
        found: dict[Code, dict[Stack, Second]] = defaultdict(lambda: defaultdict(float))
        for stretch in stretches:
            self._lone |= find_lone(list(self._list_busy(stretch)), stretch)
            holder = stretch.holder
            for call in self.find_during(stretch) if holder and holder.stack else ():
                if holder and call.thread == holder.thread and call.is_in(holder.stack):
                    found[call.code][holder.stack] += stretch.clocks.length_s
        self._seen = dict(found)

    def list_parts(self, stretch: Stretch) -> tuple[list[GilPart], bool]:
        """List the threads that may have held the GIL during the stretch, and return whether all of
        them are listed. Call `learn` first."""
        parts = list(self._list_busy(stretch))
        if not exceed_stretch(parts, stretch):
            return parts, True
        sure = (replace(each, cpu_s=each.sure_s) for each in parts if each.runner in self._lone)
        return [each for each in sure if each.cpu_s > 0], False

    def _list_busy(self, stretch: Stretch) -> Iterator[GilPart]:
        """List the calls that used CPU during the stretch, and the busiest thread if it belongs to
        no pool: pool threads are counted by their calls. (The busiest thread may have started right
        after the stretch, before the watchdog ran.) If no call used CPU, list only that thread."""
        holder, calls, is_empty = stretch.holder, self.find_during(stretch), True
        holder_s = min(stretch.clocks.holder_cpu_s or 0.0, stretch.clocks.length_s)
        measured = [each for each in calls if holder and each.thread == holder.thread]
        for call in calls:
            cpu_s, sure_s = call.estimate_cpu(stretch), call.bound_cpu(stretch)
            if measured == [call]:
                cpu_s = sure_s = min(call.measure_overlap(stretch), call.cpu_s, holder_s)
            if cpu_s > 0:
                is_empty, stack = False, self._find_stack(call, holder)
                yield GilPart(call.work, stack, call.route, call.phase, call.visit, cpu_s, sure_s)
        if holder and (is_empty or (stretch.pid, holder.thread) not in self._threads):
            yield GilPart(
                holder.thread, holder.stack, holder.route, None, holder.visit, holder_s, holder_s
            )

    def _find_stack(self, call: ThreadWork, holder: GilHolder | None) -> Stack:
        if holder is not None and holder.thread == call.thread and call.is_in(holder.stack):
            return holder.stack
        seen = self._seen.get(call.code, {})
        return max(seen, key=lambda each: seen[each], default=()) or call.build_stack()


def name_runners(parts: Sequence[GilPart], stretch: Stretch) -> set[Runner]:
    """Name the code that computed long enough to delay another thread: a call of it, or many short
    ones for most of the stretch."""
    most_s = MOST * stretch.clocks.length_s
    long = {each.runner for each in parts if each.cpu_s >= LEAST_S}
    return long | {each for each, cpu_s in sum_cpu(parts).items() if cpu_s >= most_s}


def sum_cpu(parts: Sequence[GilPart]) -> Mapping[Runner, Second]:
    taken_s: dict[Runner, Second] = defaultdict(float)
    for each in parts:
        taken_s[each.runner] += each.cpu_s
    return taken_s


def exceed_stretch(parts: Sequence[GilPart], stretch: Stretch) -> bool:
    """Return True if not all parts can have held the GIL. Many calls of one code wait for each
    other: for them, only the least CPU counts."""
    is_one = len(name_runners(parts, stretch)) < 2
    used_s = sum(each.sure_s if is_one else each.cpu_s for each in parts)
    return used_s > TOO_MUCH * stretch.clocks.length_s


def find_lone(parts: Sequence[GilPart], stretch: Stretch) -> set[Runner]:
    """Return the code that alone computed for most of the stretch; empty if there is none."""
    found, taken_s = name_runners(parts, stretch), sum_cpu(parts)
    own_s = sum(taken_s[each] for each in found)
    is_most = own_s >= MOST * (stretch.clocks.unseen_s or 0.0)
    is_lone = len(found) == 1 and is_most and not exceed_stretch(parts, stretch)
    return found if is_lone else set()
