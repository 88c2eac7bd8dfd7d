"""Why a stretch lasted as long as it did: one law, from the clocks alone."""

from dataclasses import dataclass
from typing import Literal

from analysis.findings.evidence import StretchClocks
from scenarios.units import Second

Cause = Literal["wait", "compute", "gil", "gc", "no-cpu", "paused", "unexplained"]
EXCUSES: frozenset[Cause] = frozenset({"no-cpu", "paused"})
"""The machine's doing: notices, nobody's fault."""

BLOCK_S = 0.02
"""What the probe calls a block, and the CPU that a computation needs to be one. What is left of a
stretch without the machine's part must be one by itself, or the code would not have blocked the
loop on a quiet machine."""
MOST = 0.5
"""Of a stretch: what took more than half of it explains it, and no two causes can both do so."""
DOUBTED = 0.2
"""The watchdog wakes every 10 ms. Where one thread computes in Python, it waits 5 ms for the GIL
(sys.getswitchinterval) each time: a third of the stretch. From a fifth on, a wait in a call and a
wait for the GIL look alike, if another thread computed meanwhile."""
KEPT = 0.8
KEPT_S = 0.05
"""A thread in a C function that keeps the GIL locks the watchdog out for as long as that takes:
nearly all of the stretch. Threads that compute in Python pass the GIL on every 5 ms and lock it out
for a third (one thread) or two thirds (four); of four, one has a quarter of the CPU. So a thread is
accused that had a quarter of the time in which nobody else came through, if that was four fifths of
the stretch, and ten turns long."""
SHARED = 0.25


@dataclass(frozen=True, slots=True)
class StretchJudgement:
    """own_s: what is left without the machine's part; excused_s: that part, and `excuse` which of
    the two it is, None where there is none. Their sum is the stretch's length."""

    cause: Cause
    own_s: Second
    excused_s: Second
    excuse: Cause | None = None


def judge_stretch(clocks: StretchClocks) -> StretchJudgement:
    """Where the machine explains most of it, only the CPU that the thread itself burnt accuses:
    nothing else can have burnt it. Where a clock is missing that could say why, it is
    `unexplained`."""
    length_s = max(0.0, clocks.length_s)
    delay_s, paused_s = clocks.run_delay_s or 0.0, clocks.paused_s or 0.0
    excused_s = min(length_s, delay_s + paused_s)
    own_s = length_s - excused_s
    if not excused_s:
        return StretchJudgement(explain_own_part(clocks, own_s), own_s, 0.0)
    excuse: Cause = "no-cpu" if delay_s >= paused_s else "paused"
    cause = explain_own_part(clocks, own_s)
    is_proven = cause == "compute" or excused_s <= MOST * length_s
    if own_s < BLOCK_S or not is_proven:
        return StretchJudgement(excuse, 0.0, length_s, excuse)
    return StretchJudgement(cause, own_s, excused_s, excuse)


def explain_own_part(clocks: StretchClocks, own_s: Second) -> Cause:
    """The loop's own CPU speaks first: a thread that computes has the GIL. What it neither burnt
    nor was unseen for, it spent in a call."""
    most_s = MOST * own_s
    if own_s <= 0:
        return "unexplained"
    if (clocks.gc_s or 0.0) >= most_s:
        return "gc"
    if clocks.cpu_s is None or not clocks.are_known:
        return "unexplained"
    if clocks.cpu_s >= most_s:
        return "compute" if clocks.cpu_s >= BLOCK_S else "unexplained"
    unseen_s, holder_s = clocks.unseen_s or 0.0, clocks.holder_cpu_s or 0.0
    if unseen_s >= max(KEPT * own_s, KEPT_S) and holder_s >= SHARED * unseen_s:
        return "gil"
    is_doubted = unseen_s >= DOUBTED * own_s and holder_s >= SHARED * own_s
    return "unexplained" if is_doubted or unseen_s >= most_s else "wait"
