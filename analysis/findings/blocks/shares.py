"""A place's part of a blocked stretch, and sums over several stretches."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from analysis.findings.base import ShownFrame
from analysis.findings.blocks.causes import Cause, is_shared
from analysis.findings.evidence import Stack, Stretch
from analysis.findings.places import BlockPlace, LocatedStack, PlaceFinder
from scenarios.units import Second

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StretchShare:
    """A place's part of a stretch. samples: the number that it counts for; 0 if the cause is too
    doubtful to accuse code. is_all: it is the only share of its stretch. is_holder: it belongs to
    the thread that held the GIL."""

    stretch: Stretch
    located: LocatedStack
    seconds: Second
    cause: Cause
    samples: int
    is_all: bool = False
    is_holder: bool = False
    holder_visit: int | None = None

    @property
    def may_accuse(self) -> bool:
        """Return False for the probe's own work, and for time of which no thread is known."""
        return not self.located.is_of_probe and (self.is_holder or bool(self.located.stack))

    @property
    def request(self) -> tuple[int, bool, int]:
        """Identify the request; the stretch itself if no request is known."""
        visit = self.holder_visit if self.is_holder else self.stretch.visit
        return self.stretch.pid, visit is not None, visit or self.stretch.number


def share_rest(stretch: Stretch, seconds: Second, finder: PlaceFinder) -> StretchShare:
    """Build the share of threads that no stack shows, in the phase that the loop was in."""
    stack = stretch.samples[-1].stack if stretch.samples else ()
    place = BlockPlace(None, finder.locate(stack, stretch.route).place.phase)
    return StretchShare(stretch, LocatedStack(place, None, (), ()), seconds, "unexplained", 0)


def count_samples(shares: Sequence[StretchShare]) -> int:
    return sum(share.samples for share in shares)


def is_entry(shares: Sequence[StretchShare]) -> bool:
    """Return True for the line of the `def`. The interpreter passes the GIL on when a function is
    entered, so many samples are there, whichever line takes the time."""
    own = shares[0].located.own
    return own is not None and own.line == own.first_line


def sum_seconds(shares: Sequence[StretchShare]) -> Second:
    return sum(share.seconds for share in shares)


def weigh_line(shares: Sequence[StretchShare]) -> tuple[bool, int, Second]:
    return not is_entry(shares), count_samples(shares), sum_seconds(shares)


def sum_by_request(shares: Sequence[StretchShare]) -> Mapping[object, Second]:
    found: dict[object, Second] = defaultdict(float)
    for share in shares:
        found[share.request] += share.seconds
    return found


def list_times(shares: Sequence[StretchShare]) -> Sequence[Second]:
    """Return the seconds of each request. A block after it has left counts for itself: no request
    has that time, and a task that one request started may go on for good."""
    found: dict[object, Second] = defaultdict(float)
    for share in shares:
        is_late = share.stretch.is_late and not share.is_holder
        found[share.stretch.key if is_late else share.request] += share.seconds
    return list(found.values())


def sum_by_stretch(shares: Sequence[StretchShare]) -> list[tuple[Stretch, Second]]:
    stretches = {share.stretch.key: share.stretch for share in shares}
    seconds: dict[tuple[int, int], Second] = defaultdict(float)
    for share in shares:
        seconds[share.stretch.key] += share.seconds
    return [(stretch, seconds[key]) for key, stretch in stretches.items()]


def select_shared(shares: Sequence[StretchShare]) -> tuple[StretchShare, ...]:
    """Select those that are unexplained because another thread computed; at startup no request
    waits."""
    serving = (each for each in shares if each.located.place.phase != "startup")
    unknown = (each for each in serving if each.cause == "unexplained")
    return tuple(each for each in unknown if is_shared(each.stretch.clocks))


def choose_heaviest(weighted: Iterable[tuple[T, Second]]) -> T | None:
    """Return the item with the most seconds in total."""
    found: dict[T, Second] = defaultdict(float)
    for each, seconds in weighted:
        found[each] += seconds
    return max(found, key=lambda each: found[each], default=None)


def choose_cause(shares: Sequence[StretchShare]) -> Cause:
    """Return the cause with the most seconds. Doubtful shares do not count."""
    sure = [each for each in shares if each.samples]
    return choose_heaviest([(each.cause, each.seconds) for each in sure]) or "unexplained"


def show_stack(shares: Sequence[StretchShare], finder: PlaceFinder) -> tuple[ShownFrame, ...]:
    """Show the stack that was sampled for the most seconds."""
    stack: Stack = choose_heaviest((each.located.stack, each.seconds) for each in shares) or ()
    return finder.show_stack(stack)
