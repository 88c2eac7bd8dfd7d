"""For how long of the window the instruments did not run."""

from collections.abc import Sequence

from analysis.measures.window import Window
from records.pauses import LEAST_S, InstrumentPause
from scenarios.units import Second

Span = tuple[Second, Second]


def compute_pauses(pauses: Sequence[InstrumentPause], window: Window) -> tuple[Second, Second]:
    """Return the seconds of the window in which the whole machine was paused, and those in which
    only load processes did. The machine did where runner and load were paused together."""
    spans = {
        role: [clip(each, window) for each in pauses if each.role == role]
        for role in ("runner", "load", "machine")
    }
    together = [intersect(one, other) for one in spans["runner"] for other in spans["load"]]
    machine_s = measure_union([*together, *spans["machine"]])
    load_s = measure_union([*spans["load"], *together, *spans["machine"]]) - machine_s
    return keep_pause(machine_s), keep_pause(load_s)


def keep_pause(lasting_s: Second) -> Second:
    """Return 0 for the edges of a pause, which each process sees a little later."""
    return lasting_s if lasting_s >= LEAST_S else 0.0


def clip(pause: InstrumentPause, window: Window) -> Span:
    return intersect((pause.began_s, pause.ended_s), (window.start_s, window.end_s))


def intersect(one: Span, other: Span) -> Span:
    """Empty spans end before they begin."""
    return max(one[0], other[0]), min(one[1], other[1])


def measure_union(spans: Sequence[Span]) -> Second:
    """Return the length of all spans together, what is in several of them counted once."""
    covered_s, until_s = 0.0, float("-inf")
    for begin_s, end_s in sorted(spans):
        covered_s += max(0.0, end_s - max(begin_s, until_s))
        until_s = max(until_s, end_s)
    return covered_s
