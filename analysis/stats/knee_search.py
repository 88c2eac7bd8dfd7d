"""A bounded step search for the knee of an open loop.

A step offers one rate for a while. The knee lies between the highest rate that was sustained and
the lowest that was not; the search halves that interval, by ratio, until it is narrow enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

PRECISION = 0.05
WIDEN = 1.3
"""Until the knee lies between two steps, the next one is so much higher or lower."""
BLUR = 0.02
"""The verdict OVERLOADED lets a backlog grow by this share of the offered rate: a rate so little
above the capacity passes for sustained."""


@dataclass(frozen=True, slots=True)
class SearchStep:
    """sustained: None where the generator could not keep up, and the step tells nothing.

    served_rps: good answers a second of a server that was kept busy throughout, the most it can
    do; None where it was not overloaded, and where requests failed (a server that turns them away
    could do more for fewer).
    """

    rate: float
    sustained: bool | None
    served_rps: float | None = None


@dataclass(frozen=True, slots=True)
class Knee:
    """Requests a second: the highest rate sustained and the lowest that was not. None where no
    step showed it. generator_limit: a rate that the generator could not offer.

    A window is short: now and then a rate above the capacity passes for sustained. So
    `sustained_rps` is never more than an overloaded step was seen to serve. Of several such steps
    the one that served the most counts, for too much load can cost throughput.
    """

    sustained_rps: float | None
    overloaded_rps: float | None
    generator_limit: float | None
    steps: int = 0
    is_narrow: bool = False


def are_near(low: float, high: float) -> bool:
    return high / low <= 1 + PRECISION


def find_knee(steps: Sequence[SearchStep]) -> Knee:
    judged = select_final_steps(steps)
    found, fullest = bracket_knee(judged), find_fullest_step(judged)
    sustained_rps = found.sustained_rps
    if sustained_rps is not None and fullest is not None and fullest.served_rps is not None:
        sustained_rps = min(sustained_rps, fullest.served_rps)
    return replace(found, sustained_rps=sustained_rps, steps=len(steps))


def select_final_steps(steps: Sequence[SearchStep]) -> list[SearchStep]:
    """One step for each rate. Of one that was tried again the second answer counts, if it is one:
    the first was at odds with other steps."""
    found: dict[float, SearchStep] = {}
    for each in steps:
        if each.sustained is not None or each.rate not in found:
            found[each.rate] = each
    return list(found.values())


def bracket_knee(judged: Sequence[SearchStep]) -> Knee:
    """What the verdicts alone say. A rate counts as sustained only below all that failed: a lucky
    step is not believed. The generator's limit is the lowest rate above it that was not offered."""
    failed = min((each.rate for each in judged if each.sustained is False), default=None)
    passed = max(
        (each.rate for each in judged if each.sustained and (failed is None or each.rate < failed)),
        default=None,
    )
    not_offered = min(
        (each.rate for each in judged if each.sustained is None and each.rate > (passed or 0.0)),
        default=None,
    )
    is_narrow = passed is not None and failed is not None and are_near(passed, failed)
    return Knee(passed, failed, not_offered, is_narrow=is_narrow)


def find_fullest_step(judged: Sequence[SearchStep]) -> SearchStep | None:
    """The overloaded step that served the most."""
    return max(
        (each for each in judged if each.served_rps is not None),
        key=lambda each: each.served_rps or 0.0,
        default=None,
    )


def choose_next_rate(steps: Sequence[SearchStep], first: float, most_steps: int) -> float | None:
    """None when the knee is known well enough, or will not be in the steps that are left."""
    if not steps:
        return first
    if len(steps) >= most_steps:
        return None
    return bisect_rate(bracket_knee(select_final_steps(steps))) or choose_retry_rate(steps)


def bisect_rate(found: Knee) -> float | None:
    """The next step towards the knee; None where the interval is narrow enough."""
    passed = found.sustained_rps
    upper = min(filter(None, (found.overloaded_rps, found.generator_limit)), default=None)
    if upper is None:
        return None if passed is None else passed * WIDEN
    if passed is None:
        return upper / WIDEN
    return None if are_near(passed, upper) else sqrt(passed * upper)


def choose_retry_rate(steps: Sequence[SearchStep]) -> float | None:
    """Of a step that is at odds with another and was tried only once; None if all agree."""
    judged = select_final_steps(steps)
    highest_passed = max((each.rate for each in judged if each.sustained), default=None)
    lowest_failed, fullest = bracket_knee(judged).overloaded_rps, find_fullest_step(judged)
    suspects: list[float] = []
    if highest_passed and lowest_failed and highest_passed > lowest_failed:
        suspects += [highest_passed, lowest_failed]
    if fullest and fullest.served_rps and lowest_failed:
        if highest_passed and highest_passed > fullest.served_rps * (1 + BLUR):
            suspects += [highest_passed, fullest.rate]
        if lowest_failed * (1 + BLUR) < fullest.served_rps:
            suspects.append(lowest_failed)
    tried = [each.rate for each in steps]
    return next((rate for rate in suspects if tried.count(rate) == 1), None)
