"""Why a stretch lasted as long as it did: one law, from the clocks alone."""

from dataclasses import dataclass
from typing import Literal

from analysis.findings.evidence import StretchClocks
from scenarios.units import Second

Cause = Literal["wait", "compute", "gil", "gc", "no-cpu", "paused", "unexplained"]
EXCUSES: frozenset[Cause] = frozenset({"no-cpu", "paused"})
"""The machine's doing: notices, nobody's fault."""
BURNT: frozenset[Cause] = frozenset({"compute", "gc"})
"""What takes CPU of the loop's own thread."""

BLOCK_S = 0.02
"""What the probe calls a block, and the CPU that a computation needs to be one. What is left of a
stretch without the machine's part must be one by itself, or the code would not have blocked the
loop on a quiet machine."""
SWITCH_S: Second = 0.005
"""The interpreter lets a thread run for so long before it passes the GIL on
(sys.getswitchinterval)."""
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
ALL, LITTLE = 0.95, 0.1
"""Of several threads in such functions, one after the other, none may have a quarter. Locked out
for 95 % means 0.2 s at each look: threads that pass the GIL on would have to be forty, and have a
fortieth each. So a tenth accuses too."""


@dataclass(frozen=True, slots=True)
class StretchJudgement:
    """code_s: what the code answers for; excused_s: the rest, and `excuse` whose it is, None where
    there is none. Their sum is the stretch's length."""

    cause: Cause
    code_s: Second
    excused_s: Second
    excuse: Cause | None = None


def judge_stretch(clocks: StretchClocks) -> StretchJudgement:
    """Whether the code is accused is decided by its own part, without the run delay and the pauses.
    Where these explain most of the stretch, only CPU that the thread itself burnt accuses, since
    nothing else can have burnt it, and the code answers for its own part alone. Otherwise it
    answers for all but the pauses: that long the loop was blocked in it, on this machine.
    """
    length_s = max(0.0, clocks.length_s)
    delay_s, paused_s = clocks.run_delay_s or 0.0, clocks.paused_s or 0.0
    machine_s = min(length_s, delay_s + paused_s)
    own_s = length_s - machine_s
    cause = explain_own_part(clocks, own_s)
    if not machine_s:
        return StretchJudgement(cause, length_s, 0.0)
    excuse: Cause = "no-cpu" if delay_s >= paused_s else "paused"
    is_mostly_machine = machine_s > MOST * length_s
    is_burnt = cause in BURNT and (clocks.cpu_s or 0.0) >= max(BLOCK_S, MOST * own_s)
    if own_s < BLOCK_S or (is_mostly_machine and not is_burnt):
        return StretchJudgement(excuse, 0.0, length_s, excuse)
    code_s = own_s if is_mostly_machine else length_s - paused_s
    return StretchJudgement(cause, code_s, length_s - code_s, excuse)


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
    least = LITTLE if unseen_s >= ALL * own_s else SHARED
    if unseen_s >= max(KEPT * own_s, KEPT_S) and holder_s >= least * unseen_s:
        return "gil"
    is_doubted = unseen_s >= DOUBTED * own_s and holder_s >= SHARED * own_s
    return "unexplained" if is_doubted or unseen_s >= most_s else "wait"
