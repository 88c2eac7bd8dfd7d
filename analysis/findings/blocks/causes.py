"""The cause of a blocked stretch, from its clocks alone."""

from dataclasses import dataclass
from typing import Literal

from analysis.findings.evidence import StretchClocks
from scenarios.units import Second

Cause = Literal["wait", "compute", "gil", "gc", "no-cpu", "paused", "unexplained"]
EXCUSES: frozenset[Cause] = frozenset({"no-cpu", "paused"})
"""Causes in the machine: they become notices, not findings."""
BURNT: frozenset[Cause] = frozenset({"compute", "gc"})
"""Causes that use CPU of the loop's own thread."""

BLOCK_S = 0.02
"""The shortest block that the probe reports, and the least CPU time of a computation that blocks. A
stretch without the machine's part must still be this long, or the code would not have blocked the
loop on a quiet machine."""
SWITCH_S: Second = 0.005
"""How long a thread keeps the GIL before it passes it on (sys.getswitchinterval)."""
MOST = 0.5
"""A cause explains a stretch if it took more than half of it: no two causes can both do so."""
DOUBTED = 0.2
"""The watchdog wakes every 10 ms. While one thread computes in Python, it waits 5 ms for the GIL
(sys.getswitchinterval) each time, a third of the stretch."""
KEPT = 0.8
KEPT_S = 0.05
"""A thread in a C function that holds the GIL locks the watchdog out for nearly all of the stretch.
Threads that compute in Python pass the GIL on every 5 ms and lock it out for a third (one thread)
or two thirds (four threads); each of four has a quarter of the CPU. So a thread is accused if it
had a quarter of the time in which no other thread ran, and that time was four fifths of the stretch
and ten switch intervals long."""
SHARED = 0.25
ALL, LITTLE = 0.95, 0.1
"""If several threads run such C functions one after the other, none may have a quarter. A watchdog
locked out for 95 % waits 0.2 s for each sample: forty threads that pass the GIL on could do that,
each with a fortieth. So a tenth is enough to accuse."""


@dataclass(frozen=True, slots=True)
class StretchJudgement:
    """code_s: the time attributed to code; excused_s: the rest, with `excuse` as its cause, None if
    there is none. They add up to the stretch's length. delayed_s: run delay within code_s."""

    cause: Cause
    code_s: Second
    excused_s: Second
    excuse: Cause | None = None
    delayed_s: Second = 0.0


def judge_stretch(clocks: StretchClocks) -> StretchJudgement:
    """Judge the code by its own part, without run delay and pauses. If these explain most of the
    stretch, accuse the code only for CPU that its thread used, since nothing else can have used it,
    and attribute only its own part. Otherwise attribute all but the pauses: the loop was blocked in
    the code for that long on this machine."""
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
    return StretchJudgement(cause, code_s, length_s - code_s, excuse, max(0.0, code_s - own_s))


def measure_own_s(clocks: StretchClocks) -> Second:
    """Return the stretch's length without run delay and pauses."""
    length_s, delay_s = max(0.0, clocks.length_s), clocks.run_delay_s or 0.0
    return length_s - min(length_s, delay_s + (clocks.paused_s or 0.0))


def explain_own_part(clocks: StretchClocks, own_s: Second) -> Cause:
    """Test the loop's own CPU first: a thread that computes holds the GIL. Time that it neither
    computed nor was unseen, it spent waiting in a call."""
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
    return "unexplained" if is_shared(clocks) or unseen_s >= most_s else "wait"


def is_shared(clocks: StretchClocks) -> bool:
    """Return True if another thread computed meanwhile, so that a wait in a call and a wait for the
    GIL look the same."""
    own_s = measure_own_s(clocks)
    unseen_s, holder_s = clocks.unseen_s or 0.0, clocks.holder_cpu_s or 0.0
    return unseen_s >= DOUBTED * own_s and holder_s >= SHARED * own_s
