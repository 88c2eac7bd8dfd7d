"""The cause of a block of the loop, from its clocks alone. The audit judges by the same rules, in
analysis/findings/blocks/causes.py, which gives the reasons; a test compares the two."""

from __future__ import annotations

from math import isnan
from typing import NamedTuple

BLOCK_S = 0.02
MOST = 0.5
DOUBTED = 0.2
KEPT = 0.8
KEPT_S = 0.05
SHARED = 0.25
ALL, LITTLE = 0.95, 0.1


class Clocks(NamedTuple):
    """How a block was spent, in seconds; NaN if the system does not report it.

    length_s: wall-clock time. cpu_s, run_delay_s, gc_s: of the loop's thread. unseen_s: the
    watchdog waited for the GIL. paused_s: the whole process was stopped. holder_cpu_s: CPU of the
    busiest other thread.
    """

    length_s: float
    cpu_s: float
    run_delay_s: float
    unseen_s: float
    paused_s: float
    gc_s: float
    holder_cpu_s: float


def split_by_cause(clocks: Clocks) -> dict[str, float]:
    """Return seconds by cause, which add up to the block's length. wait: in a call that waits.
    compute, gc: on the loop's thread. gil: another thread held the GIL. no-cpu, paused: the machine
    gave no CPU, or stopped the process."""
    length_s = max(0.0, clocks.length_s)
    delay_s, paused_s = replace_nan(clocks.run_delay_s), replace_nan(clocks.paused_s)
    machine_s = min(length_s, delay_s + paused_s)
    own_s = length_s - machine_s
    cause = explain_own_part(clocks, own_s)
    if not machine_s:
        return {cause: length_s}
    excuse = "no-cpu" if delay_s >= paused_s else "paused"
    is_mostly_machine = machine_s > MOST * length_s
    is_burnt = cause in ("compute", "gc") and replace_nan(clocks.cpu_s) >= max(
        BLOCK_S, MOST * own_s
    )
    if own_s < BLOCK_S or (is_mostly_machine and not is_burnt):
        return {excuse: length_s}
    code_s = own_s if is_mostly_machine else length_s - paused_s
    return {cause: code_s, excuse: length_s - code_s}


def explain_own_part(clocks: Clocks, own_s: float, computes_s: float = BLOCK_S) -> str:
    """own_s: the block without run delay and pauses. computes_s: the least CPU of a computation
    that blocks."""
    most_s = MOST * own_s
    if own_s <= 0:
        return "unexplained"
    if replace_nan(clocks.gc_s) >= most_s:
        return "gc"
    if isnan(clocks.cpu_s) or isnan(clocks.run_delay_s):
        return "unexplained"
    if clocks.cpu_s >= most_s:
        return "compute" if clocks.cpu_s >= computes_s else "unexplained"
    unseen_s, holder_s = replace_nan(clocks.unseen_s), replace_nan(clocks.holder_cpu_s)
    least = LITTLE if unseen_s >= ALL * own_s else SHARED
    if unseen_s >= max(KEPT * own_s, KEPT_S) and holder_s >= least * unseen_s:
        return "gil"
    is_doubted = unseen_s >= DOUBTED * own_s and holder_s >= SHARED * own_s
    return "unexplained" if is_doubted or unseen_s >= most_s else "wait"


def replace_nan(value: float) -> float:
    """Return 0 for NaN."""
    return 0.0 if isnan(value) else value
