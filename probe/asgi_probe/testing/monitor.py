"""Watches the loops of the process while windows are open, and judges what ended in each."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import inf
from pathlib import Path
from typing import NamedTuple

from asgi_probe.causes import KEPT
from asgi_probe.clocks import monotonic

from .found_blocks import BlockFinder, FoundBlock, RunUsage
from .found_waits import FoundWait, describe_wait
from .loop_threads import LoopThreads
from .options import CheckLimits
from .sampler import Sampler
from .timed_thread import TimedRun
from .token_waits import token_waits


class CheckWindow:
    """An interval with limits of its own. max_s: infinite if blocks are not checked."""

    def __init__(self, limits: CheckLimits) -> None:
        self.limits = limits
        self.max_s = inf if limits.blocked_s is None else limits.blocked_s
        self.began_s = monotonic()


class WindowFindings(NamedTuple):
    blocks: Sequence[FoundBlock]
    waits: Sequence[FoundWait]


class BlockMonitor:
    """One per process, from the first fixture or window on."""

    def __init__(self, user_root: Path) -> None:
        self.threads = LoopThreads()
        self._sampler = Sampler(self.threads)
        self._finder = BlockFinder(user_root)
        self._windows: list[CheckWindow] = []
        self._sampler.start()
        self._undo = self.threads.instrument()

    def stop(self) -> None:
        self._undo()
        self._sampler.stop()

    def open(self, limits: CheckLimits) -> CheckWindow:
        """Open a window. Inside another one it alone judges, until it is closed."""
        window = CheckWindow(limits)
        self.threads.split()
        self._windows.append(window)
        self._set_least()
        return window

    def close(self, window: CheckWindow) -> WindowFindings:
        """Return what began in the window and was longer than its limits. What still blocks another
        thread's loop belongs to the outermost window."""
        self.threads.split()
        waits = self._take_waits(window)
        is_last = len(self._windows) == 1 and window.max_s < inf
        unfinished = self.threads.await_ends(window.began_s) if is_last else []
        self._windows.remove(window)
        runs = [*self._take_runs(window.began_s), *unfinished]
        self._set_least()
        long = [each for each in runs if each.ended_s - each.start.began_s > window.max_s]
        if long:
            self._sampler.await_look()
        allow = window.limits.allow
        found = (self._finder.find(each, self._measure(each), allow, window.max_s) for each in long)
        return WindowFindings([each for each in found if each is not None], waits)

    def _set_least(self) -> None:
        self.threads.least_s = min((each.max_s for each in self._windows), default=inf)
        token_waits.least_s = min(
            (each.limits.pool_wait_s or inf for each in self._windows), default=inf
        )

    def _take_waits(self, window: CheckWindow) -> list[FoundWait]:
        max_s = window.limits.pool_wait_s
        waits = [] if max_s is None else token_waits.take(max_s, window.began_s)
        return [describe_wait(each, self._finder) for each in waits]

    def _take_runs(self, since_s: float) -> list[TimedRun]:
        """Take what began since a time; what began before belongs to the window outside, or to no
        test."""
        runs = self.threads.runs
        every = [runs.popleft() for _ in range(len(runs))]
        if self._windows:
            runs.extend(each for each in every if each.start.began_s < since_s)
        return [each for each in every if each.start.began_s >= since_s]

    def _measure(self, run: TimedRun) -> RunUsage:
        began_s, ended_s = run.start.began_s, run.ended_s
        part = self._sampler.measure(began_s, ended_s)
        with self._sampler.lock:
            holder = run.thread.holders.find_holder(began_s, ended_s)
        gc_s = run.thread.watch.measure_gc(began_s, ended_s)
        delay_s = 0.0 if run.waited_s != run.waited_s else run.waited_s
        # while another thread computed and kept the GIL, the machine was not to blame
        is_locked_out = part.unseen_s >= KEPT * (ended_s - began_s)
        locked_s = min(part.unseen_s, holder.cpu_s) if is_locked_out else 0.0
        idle_s = max(0.0, ended_s - began_s - run.cpu_s - delay_s - locked_s)
        # a thread that waits for the GIL looks for it once per switch interval
        held_s = min(part.held_s, run.waits * sys.getswitchinterval())
        machine_s = run.others_waited_s + part.stalled_s + held_s
        if run.waits == 0:  # it has waited for nothing: the machine itself was stopped
            machine_s = idle_s
        return RunUsage(gc_s, part.unseen_s, delay_s + min(idle_s, machine_s), holder)
