"""Attribute each blocked stretch to the places that its samples show, and drop weak evidence.

The rule of evidence. A sample shows where the thread was at one moment, not that the place took all
the time since the last sample. One sample is a coincidence, and two may come from one event (a
response's `send` that a busy machine stretched). A function is accused from the third sample on,
from one request or from several. A single sample among others in its stretch does not count: it may
be the edge of what the others show. One sample counts as three if the clocks confirm it: the
watchdog was locked out for 0.1 s or longer, and only the sampled thread computed meanwhile.

A place that fewer than one request in a hundred meets, and never for 0.1 s, is not accused either:
page faults, other guests of the machine and cold caches cost any code 20 ms now and then. A garbage
collection that so few requests meet is never theirs, however long it takes: all allocations since
the last one led to it.

The probe's own work accuses nothing. The remaining time is `unexplained`. The seconds of all
places, of the unexplained part, of the machine's part and of the probe's work add up to the length
of the stretches.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from analysis.findings.blocks.causes import (
    BLOCK_S,
    EXCUSES,
    KEPT,
    MOST,
    Cause,
    StretchJudgement,
    judge_stretch,
)
from analysis.findings.blocks.doubts import is_doubtful
from analysis.findings.blocks.gil_holders import ThreadWorks
from analysis.findings.blocks.routes_in_flight import RoutesInFlight
from analysis.findings.blocks.shares import (
    StretchShare,
    count_samples,
    is_entry,
    select_shared,
    share_rest,
    sum_by_request,
    sum_seconds,
    weigh_line,
)
from analysis.findings.evidence import AuditEvidence, StackSample, Stretch, compute_once
from analysis.findings.places import BlockPlace, PlaceFinder, build_finder
from analysis.findings.time_asked import count_requests
from analysis.findings.waits.handover_evidence import locate_handovers
from scenarios.units import Second

MIN_SAMPLES = 3
WITNESSED_S = 0.1
RARE_SHARE = 0.01
ANYWHERE = BlockPlace(None, None)
"""A garbage collection in a library's code could have started in any other code, too."""
NOTED_S = 0.1


@dataclass(frozen=True, slots=True)
class Attribution:
    """sites: the shares of each accused place. excused_s: by cause. delayed_s: run delay within
    the time of the accused places. shared: unexplained, while another thread computed."""

    sites: Mapping[BlockPlace, Sequence[StretchShare]]
    blocked_s: Second
    excused_s: Mapping[Cause, Second]
    delayed_s: Second
    unexplained_s: Second
    shared: Sequence[StretchShare] = ()


@compute_once
def attribute_blocks(evidence: AuditEvidence) -> Attribution:
    """Attribute the blocks, also to the calls that ran in threads of the pools."""
    works = ThreadWorks.load(locate_handovers(evidence))
    finder, in_flight = build_finder(evidence), RoutesInFlight(evidence)
    marked = map(in_flight.mark_late, evidence.stretches)
    stretches = [in_flight.fill_route(each, finder) for each in marked]
    return attribute_stretches(stretches, finder, count_requests(evidence), works)


def attribute_stretches(
    stretches: Sequence[Stretch],
    finder: PlaceFinder,
    requests: Mapping[str, int],
    calls: ThreadWorks | None = None,
) -> Attribution:
    """requests: count per route. calls: in threads of the pools, if they are known."""
    judged = [(stretch, judge_stretch(stretch.clocks)) for stretch in stretches]
    calls = calls or ThreadWorks()
    calls.learn(stretch for stretch, each in judged if each.cause == "gil")
    excused_s: dict[Cause, Second] = dict.fromkeys(EXCUSES, 0.0)
    for _, judgement in judged:
        if (kind := judgement.excuse) is not None:
            excused_s[kind] += judgement.excused_s
    shares = [share for each in judged for share in share_stretch(*each, finder, calls)]
    sites = accuse_places([each for each in shares if each.may_accuse], requests)
    accused = {id(each): each for site in sites.values() for each in site}
    hidden = [each for each in shares if id(each) not in accused and not each.located.is_of_probe]
    delayed = {of.key: each.delayed_s / each.code_s for of, each in judged if each.code_s > 0}
    known_s = sum_seconds(shares) - sum_seconds(hidden)
    code_s = sum(judgement.code_s for _, judgement in judged)
    return Attribution(
        sites=sites,
        blocked_s=sum(stretch.clocks.length_s for stretch in stretches),
        excused_s=excused_s,
        delayed_s=sum(delayed[each.stretch.key] * each.seconds for each in accused.values()),
        unexplained_s=max(0.0, code_s - known_s),
        shared=select_shared(hidden),
    )


def share_stretch(
    stretch: Stretch, judgement: StretchJudgement, finder: PlaceFinder, calls: ThreadWorks
) -> Iterator[StretchShare]:
    """Yield the stretch's shares; nothing if it has no samples."""
    if judgement.code_s <= 0:
        return
    if judgement.cause == "gil":
        yield from share_with_holders(stretch, judgement.code_s, finder, calls)
        return
    is_alone = judgement.cause == "compute" and (stretch.clocks.unseen_s or 0.0) >= (
        KEPT * judgement.code_s
    )
    can_accuse = judgement.cause != "unexplained" or not stretch.clocks.are_known
    weights = list(weigh_samples(stretch, judgement.cause))
    total_s = sum(around_s for _, around_s in weights)
    for sample, around_s in weights:
        located = finder.locate(sample.stack, stretch.route)
        if judgement.cause == "gc" and located.own is None:
            located = replace(located, place=ANYWHERE)
        count = MIN_SAMPLES if is_alone and around_s >= WITNESSED_S else 1
        part = around_s / total_s if total_s else 1 / len(weights)
        is_sure = can_accuse and not is_doubtful(sample.stack, judgement.cause, is_alone)
        seconds, samples = judgement.code_s * part, count if is_sure else 0
        is_all = len(weights) == 1
        yield StretchShare(stretch, located, seconds, judgement.cause, samples, is_all)


def share_with_holders(
    stretch: Stretch, code_s: Second, finder: PlaceFinder, calls: ThreadWorks
) -> Iterator[StretchShare]:
    """Share the stretch among the GIL holders in proportion to their CPU time. If they used less
    than half of the stretch together, or others may have held the GIL too, attribute only that CPU
    time. A holder without a stack or a function is no evidence of a place."""
    parts, are_all = calls.list_parts(stretch)
    total_s = sum(each.cpu_s for each in parts)
    is_most = are_all and total_s >= MOST * (stretch.clocks.unseen_s or 0.0)
    for part in parts:
        share_s = code_s * part.cpu_s / total_s if total_s else 0.0
        seconds = share_s if is_most else min(share_s, part.cpu_s)
        samples = MIN_SAMPLES if seconds >= WITNESSED_S else int(seconds >= BLOCK_S)
        located = finder.locate(part.stack, part.route, in_thread=True)
        if part.phase is not None and located.place.phase is None:
            located = replace(located, place=replace(located.place, phase=part.phase))
        yield StretchShare(
            stretch, located, seconds, "gil", samples if part.stack else 0, True,
            is_holder=True, holder_visit=part.visit,
        )  # fmt: skip
    if not is_most:
        yield share_rest(stretch, max(0.0, code_s - total_s), finder)


def weigh_samples(stretch: Stretch, cause: Cause) -> Iterator[tuple[StackSample, Second]]:
    """Yield each sample with the time around it, up to the middle between two samples. After a long
    gap, a sample gets all the time since the one before it: a thread that was locked out, or that
    locked out the watchdog, is sampled only at the end.

    Leave out samples of another request: they are the backlog behind a block. In a stretch that
    garbage collection explains, only samples taken during a collection count.
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
    """Merge lines with too few samples into the function's worst line."""
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
    for place, unseen in find_unseen_holders(functions.values()):
        known = [each for each, mine in accused.items() if is_gil_site(each, mine, place.route)]
        if len(known) == 1 and place not in accused:
            accused[known[0]].extend(unseen)
    return accused


def find_unseen_holders(
    functions: Iterable[Mapping[BlockPlace, list[StretchShare]]],
) -> Iterator[tuple[BlockPlace, list[StretchShare]]]:
    """Yield threads that held the GIL for a known route and whose stack was not sampled. If exactly
    one place of that route is known to hold the GIL, they are attributed to it."""
    for lines in functions:
        for place, line in lines.items():
            mine = [share for share in line if share.is_holder and not share.located.stack]
            if mine and place.route is not None:
                yield place, mine


def is_gil_site(place: BlockPlace, shares: Sequence[StretchShare], route: str | None) -> bool:
    return place.route == route and any(each.is_holder and each.samples for each in shares)


def count_evidence(shares: Sequence[StretchShare]) -> int:
    """Count a function's samples, without those alone among others in their stretch."""
    by_stretch: dict[tuple[int, int], list[StretchShare]] = defaultdict(list)
    for share in shares:
        by_stretch[share.stretch.key].append(share)
    return sum(
        count_samples(mine)
        for mine in by_stretch.values()
        if len(mine) > 1 or mine[0].samples > 1 or mine[0].is_all
    )


def is_rare(shares: Sequence[StretchShare], requests: Mapping[str, int]) -> bool:
    """Return True if few requests met the place; False if the route's requests are unknown."""
    route = shares[0].located.place.route
    spent = sum_by_request(shares)
    is_gc = all(share.cause == "gc" for share in shares)
    asked = sum(requests.values()) if is_gc and route is None else requests.get(route or "", 0)
    return len(spent) < RARE_SHARE * asked and (is_gc or max(spent.values()) < NOTED_S)
