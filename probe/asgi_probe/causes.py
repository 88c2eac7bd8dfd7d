"""The cause of a block, from its clocks alone. `analysis/findings/blocks/causes.py` has the same
rule for audits, which may not import this package; a test compares the two."""

from __future__ import annotations

from typing import NamedTuple

COMPUTES_S = 0.02
"""The least CPU of a computation that blocks."""
MOST = 0.5
"""A cause explains a block if it took more than half of it: no two causes can both do so."""
DOUBTED = 0.2
"""The watchdog wakes every 10 ms. While one thread computes in Python, it waits 5 ms for the GIL
(sys.getswitchinterval) each time, a third of the block. From a fifth on, a wait in a call and a
wait for the GIL look the same if another thread computed meanwhile."""
KEPT = 0.8
KEPT_S = 0.05
SHARED = 0.25
"""A thread in a C function that holds the GIL locks the watchdog out for nearly all of the block;
threads that compute in Python pass the GIL on every 5 ms."""
ALL, LITTLE = 0.95, 0.1
"""If several threads run such C functions one after the other, none may have a quarter."""


class BlockClocks(NamedTuple):
    """Seconds within a block. unseen_s: the watchdog waited for the GIL. holder_cpu_s: CPU of the
    other thread that computed the most. NaN: unknown."""

    cpu_s: float
    gc_s: float
    unseen_s: float
    holder_cpu_s: float


def find_cause(clocks: BlockClocks, own_s: float, computes_s: float = COMPUTES_S) -> str:
    """Return "gc", "compute", "gil", "wait" or "unexplained". own_s: the block's seconds without
    the machine's part.

    The loop's own CPU comes first: a thread that computes holds the GIL. Time that it neither
    computed nor was unseen, it spent waiting in a call.
    """
    if own_s <= 0:
        return "unexplained"
    if clocks.gc_s >= MOST * own_s:
        return "gc"
    if any(each != each for each in clocks):
        return "unexplained"
    if clocks.cpu_s >= MOST * own_s:
        return "compute" if clocks.cpu_s >= computes_s else "unexplained"
    unseen_s, holder_s = clocks.unseen_s, clocks.holder_cpu_s
    least = LITTLE if unseen_s >= ALL * own_s else SHARED
    if unseen_s >= max(KEPT * own_s, KEPT_S) and holder_s >= least * unseen_s:
        return "gil"
    is_doubted = unseen_s >= DOUBTED * own_s and holder_s >= SHARED * own_s
    return "unexplained" if is_doubted or unseen_s >= MOST * own_s else "wait"
