"""Whose code it is that ran: of each sample the innermost Python function, which has what it calls
natively too, and its library."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from analysis.stats.proportions import Interval, compute_share, scale, subtract
from records.cpu_profile import Stack, Stacks

APP, NATIVE = "the app", "the event loop's native code"
LOOP_RUNNERS = ("asyncio/runners.py", "uvloop/__init__.py")
"""Their functions start a loop and then wait for it: where one of them is innermost, what runs is
a loop that is no Python code."""
REST = "system calls and C code without the GIL"
"""What the kernel counted as CPU and no sample shows."""
MAJORITY = OWN_PART = 0.5
CLEAR_SHARE = 0.3
"""What has surely more than this, and surely more than any other, is worth the name."""

Namer = Callable[[Stack], Iterable[str]]
"""The code that a sample is counted for."""


@dataclass(frozen=True, kw_only=True)
class CodeCpu:
    """CPU per request of some code.

    load_share: of the CPU under load. growth: of the whole growth the share that is its; None where
    nothing grew. Both with a 95 % interval.
    """

    name: str
    alone_ms: float
    load_ms: float
    load_share: Interval
    growth: Interval | None = None
    is_raised: bool = False
    """Whether it surely has a larger share of a request's CPU under load than alone. A machine that
    gets slower makes all code cost more, and changes no shares."""


Measure = Callable[[CodeCpu], Interval | None]
"""The share of something that some code has; None where it is not to be named."""


@dataclass(frozen=True, kw_only=True)
class NamedCode:
    """What has most of something: a function with all that it calls, or a library's own code as a
    whole, where function is None. share: how much of it, with a 95 % interval."""

    library: str
    function: str | None
    share: Interval


@dataclass(frozen=True, slots=True)
class Sampling:
    """One phase's stacks, and what its CPU per request was."""

    cpu_ms: float
    stacks: Stacks

    @property
    def samples(self) -> int:
        """With those that there would be of what runs without the GIL."""
        return sum(self.stacks.values())

    def count(self, name: Namer) -> Counter[str]:
        """How many samples each name has; a stack counts once for each of its names."""
        found = Counter[str]()
        for stack, count in self.stacks.items():
            for each in set(name(stack)):
                found[each] += count
        return found

    def measure_depth(self, frame: str) -> float:
        """How many frames are inside of it, on average over the samples that it is on."""
        found = [
            (stack[::-1].index(frame), count)
            for stack, count in self.stacks.items()
            if frame in stack
        ]
        return sum(depth * count for depth, count in found) / max(1, sum(n for _, n in found))


@dataclass(frozen=True, slots=True)
class SamplingPair:
    """Of the same app alone and under load. Samples are taken as independent draws: they lie 10 ms
    apart, and most requests take less."""

    alone: Sampling
    load: Sampling

    def attribute_cpu(self, name: Namer) -> tuple[CodeCpu, ...]:
        """What grew most comes first; where nothing grew, what has the most."""
        alone, load = self.alone.count(name), self.load.count(name)
        codes = (
            self._compare(each, alone[each], load[each]) for each in alone.keys() | load.keys()
        )
        grown = self.load.cpu_ms > self.alone.cpu_ms
        return tuple(
            sorted(codes, key=lambda each: (each.alone_ms * grown - each.load_ms, each.name))
        )

    def _compare(self, name: str, alone: int, load: int) -> CodeCpu:
        before = compute_share(alone, self.alone.samples)
        after = compute_share(load, self.load.samples)
        before_ms, after_ms = scale(before, self.alone.cpu_ms), scale(after, self.load.cpu_ms)
        grown_ms, change = self.load.cpu_ms - self.alone.cpu_ms, subtract(after_ms, before_ms)
        return CodeCpu(
            name=name,
            alone_ms=before_ms.estimate,
            load_ms=after_ms.estimate,
            load_share=after,
            growth=scale(change, 1 / grown_ms) if grown_ms > 0 else None,
            is_raised=subtract(after, before).low > 0,
        )

    def find_code(self, get_share: Measure) -> NamedCode | None:
        """What has most of it, if that is clear: nobody is named for what may be chance."""
        return self._find_function(get_share) or self._find_library(get_share)

    def _find_function(self, get_share: Measure) -> NamedCode | None:
        """The innermost function that surely more than half of it passes through, of those whose
        library does at least half of that itself. Two such functions lie on the same stacks, so
        that none is the other's rival."""
        own = {each.name: get_share(each) for each in self.attribute_cpu(name_own_callers)}
        shares = {each.name: get_share(each) for each in self.attribute_cpu(name_callers)}
        found = {
            name: share
            for name, share in shares.items()
            if share and share.low > MAJORITY
            and (part := own.get(name)) and part.estimate > OWN_PART * share.estimate
        }  # fmt: skip
        if not found:
            return None
        name = min(found, key=self.load.measure_depth)
        return NamedCode(library=name_library(name), function=name, share=found[name])

    def _find_library(self, get_share: Measure) -> NamedCode | None:
        """One whose own code surely has more of it than any other's."""
        found = [(get_share(each), each.name) for each in self.attribute_cpu(name_own_library)]
        known = sorted([(share, name) for share, name in found if share], key=lambda of: -of[0].low)
        if not known or known[0][0].low < CLEAR_SHARE:
            return None
        (share, name), *others = known
        if any(other.high > share.low for other, _ in others):
            return None
        return NamedCode(library=name, function=None, share=share)


def name_innermost(stack: Stack) -> Iterable[str]:
    return (stack[-1],)


def name_own_library(stack: Stack) -> Iterable[str]:
    return (name_library(stack[-1]),)


def name_callers(stack: Stack) -> Iterable[str]:
    """All functions on the stack. What starts the event loop has called everything: it counts only
    where it is innermost."""
    inner = (each for each in stack if name_library(each) != NATIVE or each == stack[-1])
    return (each for each in inner if each != REST)


def name_own_callers(stack: Stack) -> Iterable[str]:
    """Those whose library's code is innermost."""
    library = name_library(stack[-1])
    return (each for each in stack if name_library(each) == library)


def name_library(frame: str) -> str:
    """Of `function (file)`: the installed package, a module of Python's own, or the app."""
    if frame == REST:
        return REST
    path = frame.rpartition(" (")[2].removesuffix(")")
    if path.endswith(LOOP_RUNNERS):
        return NATIVE
    if path.startswith("<frozen"):
        return "Python's import"
    first, *rest = PurePosixPath(path).parts or ("",)
    if first == "site-packages" and rest:
        return rest[0].removesuffix(".py")
    if first.startswith("lib") and len(rest) > 1 and rest[0].startswith("python3"):
        return f"Python's {rest[1].removesuffix('.py')}"
    return APP
