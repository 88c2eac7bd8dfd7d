"""Shares each blocked stretch out among the places that its samples show, and drops what has too
little evidence.

The rule of evidence. A stack is a moment: it shows where the thread was, not that the place took
the time since the last look; so one sample is a coincidence and two may be one (an answer's `send`
that a busy machine stretched twice). A function is accused from the third sample on, of one request
or of several. A single sample among others in its stretch does not count: it may be the edge of
what the others show. One sample speaks for three where the clocks witness the rest: the watchdog
was locked out for 0.1 s and longer, and the sampled thread alone computed meanwhile.

A place that fewer than one request in a hundred meets, and never for 0.1 s, is not accused either:
20 ms now and then are what page faults, other guests of the machine and cold caches do to any code.

What is not accused is `unexplained`. The seconds of all places, of the unexplained and of the
machine's part add up to the length of the stretches.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from analysis.findings.causes import EXCUSES, KEPT, Cause, StretchJudgement, judge_stretch
from analysis.findings.evidence import StackSample, Stretch
from analysis.findings.places import BlockPlace, LocatedStack, PlaceFinder
from scenarios.units import Second

MIN_SAMPLES = 3
WITNESSED_S = 0.1
RARE_SHARE = 0.01
NOTED_S = 0.1


@dataclass(frozen=True, slots=True)
class StretchShare:
    """A place's part of a stretch. samples: how many it counts for; 0 where the cause is too
    doubtful to accuse anything of it. is_all: it is the only one of its stretch. is_holder: of the
    thread that kept the GIL."""

    stretch: Stretch
    located: LocatedStack
    seconds: Second
    cause: Cause
    samples: int
    is_all: bool = False
    is_holder: bool = False

    @property
    def request(self) -> tuple[int, bool, int]:
        """Whose it is; the stretch by itself where no request is known."""
        holder = self.stretch.holder if self.is_holder else None
        visit = holder.visit if holder is not None else self.stretch.visit
        return self.stretch.pid, visit is not None, visit or self.stretch.number


@dataclass(frozen=True, slots=True)
class Attribution:
    """sites: the shares of each accused place. excused_s: by cause. delayed_s: run delay within
    what the code answers for."""

    sites: Mapping[BlockPlace, Sequence[StretchShare]]
    blocked_s: Second
    excused_s: Mapping[Cause, Second]
    delayed_s: Second
    unexplained_s: Second


def attribute_stretches(
    stretches: Sequence[Stretch], finder: PlaceFinder, requests: Mapping[str, int]
) -> Attribution:
    """requests: how many each route had."""
    judged = [(stretch, judge_stretch(stretch.clocks)) for stretch in stretches]
    excused_s: dict[Cause, Second] = dict.fromkeys(EXCUSES, 0.0)
    for _, judgement in judged:
        kind = judgement.excuse
        if kind is not None:
            excused_s[kind] += judgement.excused_s
    shares = [share for each in judged for share in share_stretch(*each, finder)]
    sites = accuse_places(shares, requests)
    accused_s = sum(share.seconds for site in sites.values() for share in site)
    code_s = sum(judgement.code_s for _, judgement in judged)
    return Attribution(
        sites=sites,
        blocked_s=sum(stretch.clocks.length_s for stretch in stretches),
        excused_s=excused_s,
        delayed_s=sum(stretch.clocks.run_delay_s or 0.0 for stretch, each in judged if each.code_s),
        unexplained_s=max(0.0, code_s - accused_s),
    )


def share_stretch(
    stretch: Stretch, judgement: StretchJudgement, finder: PlaceFinder
) -> Iterator[StretchShare]:
    """Nothing where it has no samples."""
    if judgement.code_s <= 0:
        return
    if judgement.cause == "gil":
        holder = stretch.holder
        if holder is not None and holder.stack:
            located = finder.locate(holder.stack, holder.route, in_thread=True)
            count = MIN_SAMPLES if judgement.code_s >= WITNESSED_S else 1
            yield StretchShare(
                stretch, located, judgement.code_s, "gil", count, True, is_holder=True
            )
        return
    is_alone = judgement.cause == "compute" and (stretch.clocks.unseen_s or 0.0) >= (
        KEPT * judgement.code_s
    )
    can_accuse = judgement.cause != "unexplained" or not stretch.clocks.are_known
    weights = list(weigh_samples(stretch, judgement.cause))
    total_s = sum(around_s for _, around_s in weights)
    for sample, around_s in weights:
        located = finder.locate(sample.stack, stretch.route)
        count = MIN_SAMPLES if is_alone and around_s >= WITNESSED_S else 1
        part = around_s / total_s if total_s else 1 / len(weights)
        seconds, samples = judgement.code_s * part, count if can_accuse else 0
        is_all = len(weights) == 1
        yield StretchShare(stretch, located, seconds, judgement.cause, samples, is_all)


def weigh_samples(stretch: Stretch, cause: Cause) -> Iterator[tuple[StackSample, Second]]:
    """Each sample with the time around it, up to the middle between two; but the whole time since
    the one before it where that is long: a thread that was locked out, or that locked out the
    watchdog, is seen where it comes out.

    Samples of another request are the backlog behind a block: they are left out. Of a stretch that
    garbage collection explains, those in a collection count.
    """
    mine = [
        each
        for each in stretch.samples
        if each.stack and (each.visit is None or stretch.visit in (None, each.visit))
    ]
    if cause == "gc" and any(each.in_gc for each in mine):
        mine = [each for each in mine if each.in_gc]
    edges = [max(stretch.began_s, find_edge(one.at_s, other.at_s)) for one, other in pairwise(mine)]
    for sample, (begin_s, end_s) in zip(
        mine, pairwise([stretch.began_s, *edges, stretch.ended_s]), strict=False
    ):
        yield sample, max(0.0, end_s - begin_s)


def find_edge(at_s: Second, next_s: Second) -> Second:
    return at_s if next_s - at_s >= WITNESSED_S else (at_s + next_s) / 2


def accuse_places(
    shares: Iterable[StretchShare], requests: Mapping[str, int]
) -> Mapping[BlockPlace, Sequence[StretchShare]]:
    """Lines of a function with too few samples are folded into the worst of that function."""
    functions: dict[object, dict[BlockPlace, list[StretchShare]]] = defaultdict(dict)
    for share in shares:
        place = share.located.place
        functions[place.function_key].setdefault(place, []).append(share)
    accused: dict[BlockPlace, list[StretchShare]] = {}
    for lines in functions.values():
        every = [share for line in lines.values() for share in line]
        if count_evidence(every) < MIN_SAMPLES or is_rare(every, requests):
            continue
        worst = max(lines, key=lambda place: weigh_line(lines[place]))
        for place, line in lines.items():
            is_sure = count_samples(line) >= MIN_SAMPLES and not is_entry(line)
            accused.setdefault(place if is_sure else worst, []).extend(line)
    return accused


def count_samples(shares: Sequence[StretchShare]) -> int:
    return sum(share.samples for share in shares)


def count_evidence(shares: Sequence[StretchShare]) -> int:
    """Samples of one function, without those that are alone among others in their stretch."""
    by_stretch: dict[tuple[int, int], list[StretchShare]] = defaultdict(list)
    for share in shares:
        by_stretch[share.stretch.key].append(share)
    return sum(
        count_samples(mine)
        for mine in by_stretch.values()
        if len(mine) > 1 or mine[0].samples > 1 or mine[0].is_all
    )


def weigh_line(shares: Sequence[StretchShare]) -> tuple[bool, int, Second]:
    return not is_entry(shares), count_samples(shares), sum_seconds(shares)


def is_entry(shares: Sequence[StretchShare]) -> bool:
    """The line of the `def`: the interpreter passes the GIL on when a function is entered, so this
    is where many samples are, whichever line of the function takes the time."""
    own = shares[0].located.own
    return own is not None and own.line == own.first_line


def sum_seconds(shares: Sequence[StretchShare]) -> Second:
    return sum(share.seconds for share in shares)


def is_rare(shares: Sequence[StretchShare], requests: Mapping[str, int]) -> bool:
    """Where the route's requests are not known, nothing is."""
    asked = requests.get(shares[0].located.place.route or "", 0)
    spent = sum_by_request(shares)
    return len(spent) < RARE_SHARE * asked and max(spent.values()) < NOTED_S


def sum_by_request(shares: Sequence[StretchShare]) -> Mapping[object, Second]:
    found: dict[object, Second] = defaultdict(float)
    for share in shares:
        found[share.request] += share.seconds
    return found
