"""Attribution of CPU samples to code: to the innermost Python function, including the native code
that it calls, and to its library."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from analysis.stats.proportions import Interval, compute_share, scale, subtract
from records.cpu_profile import Stack, Stacks

APP, NATIVE = "the app", "the event loop's native code"
LOOP_RUNNERS = ("asyncio/runners.py", "uvloop/__init__.py")
"""Their functions start a loop and then wait for it: if one of them is innermost, the loop's native
code runs."""
REST = "system calls and C code without the GIL"
"""CPU that the kernel counted and no sample shows."""
MAJORITY = OWN_PART = 0.5
CLEAR_SHARE = 0.3
"""Code is named only if its share is surely above this, and surely above any other's."""

Namer = Callable[[Stack], Iterable[str]]
"""Returns the names of the code that a sample counts for."""


@dataclass(frozen=True, kw_only=True)
class CodeCpu:
    """CPU per request of some code.

    load_share: its share of the CPU under load. growth: its share of the growth; None where nothing
    grew. Both with a 95 % interval.
    """

    name: str
    alone_ms: float
    load_ms: float
    load_share: Interval
    growth: Interval | None = None
    is_raised: bool = False
    """True if its share of CPU per request is surely larger under load than alone. A machine that
    slows down makes all code more expensive and changes no shares."""


Measure = Callable[[CodeCpu], Interval | None]
"""Returns some code's share; None where it must not be named."""


@dataclass(frozen=True, kw_only=True)
class NamedCode:
    """The code with the largest share: a function with all that it calls, or, if function is None,
    all of a library's code. share: with a 95 % interval."""

    library: str
    function: str | None
    share: Interval


@dataclass(frozen=True, slots=True)
class Sampling:
    """One phase's stacks, and its CPU per request."""

    cpu_ms: float
    stacks: Stacks

    @property
    def samples(self) -> int:
        """Number of samples, including those added for code without the GIL."""
        return sum(self.stacks.values())

    def count(self, name: Namer) -> Counter[str]:
        """Count the samples of each name; a stack counts once for each of its names."""
        found = Counter[str]()
        for stack, count in self.stacks.items():
            for each in set(name(stack)):
                found[each] += count
        return found

    def measure_depth(self, frame: str) -> float:
        """Compute how many frames it calls, on average over its samples."""
        found = [
            (stack[::-1].index(frame), count)
            for stack, count in self.stacks.items()
            if frame in stack
        ]
        return sum(depth * count for depth, count in found) / max(1, sum(n for _, n in found))


@dataclass(frozen=True, slots=True)
class SamplingPair:
    """Samplings of the same app alone and under load. Samples count as independent draws: they are
    10 ms apart, and most requests take less."""

    alone: Sampling
    load: Sampling

    def attribute_cpu(self, name: Namer) -> tuple[CodeCpu, ...]:
        """Attribute CPU to code, the largest growth first; without growth, the largest share."""
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
        """Find the code with the largest share; None where chance may explain the difference."""
        return self._find_function(get_share) or self._find_library(get_share)

    def _find_function(self, get_share: Measure) -> NamedCode | None:
        """Find the innermost function with surely more than half, whose library does at least half
        of that itself. Two such functions share their stacks, so they do not compete."""
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
        """Find a library whose own code surely has more than any other's."""
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
    """Name all functions on the stack. A function that starts the event loop calls everything, so
    it counts only where it is innermost."""
    inner = (each for each in stack if name_library(each) != NATIVE or each == stack[-1])
    return (each for each in inner if each != REST)


def name_own_callers(stack: Stack) -> Iterable[str]:
    """Name the functions of the library whose code is innermost."""
    library = name_library(stack[-1])
    return (each for each in stack if name_library(each) == library)


def name_library(frame: str) -> str:
    """Map `function (file)` to an installed package, a standard library module, or the app."""
    if frame == REST:
        return REST
    path = frame.partition(" (")[2].removesuffix(")")
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
