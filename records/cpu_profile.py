"""Which Python code of a server ran, by stacks that were sampled from outside: alone, and under
load."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

FULL_INTERPRETER = 0.95
"""Of a core, used by each worker: the rest is what the kernel does for others in between."""
Level = Literal["alone", "load"]
Stack = tuple[str, ...]
"""Frames from the outermost to the innermost, each `function (file)`. Files of an installed package
begin with `site-packages/`, those of Python's own library with `lib/python`; all others are
relative to the app's folder."""
Stacks = Mapping[Stack, int]
"""How often each held the GIL when the sampler looked."""


@dataclass(frozen=True, slots=True)
class SampledPhase:
    """What the server did while it was sampled.

    cpu_s: CPU seconds of all its processes, with and without the GIL; requests: answered meanwhile,
    good or bad; samples_per_s: how often the sampler looked; idle_cores: what it used before
    anybody asked, where that was measured.
    """

    lasting_s: Second
    requests: int
    cpu_s: Second
    samples_per_s: float
    idle_cores: float = 0.0


@dataclass(frozen=True, slots=True)
class CpuProfile:
    """Of a cell that was to be explained. fault: why it has no stacks, else None. Its stacks are in
    `profile-alone.txt` and `profile-load.txt`."""

    fault: str | None = None
    alone: SampledPhase | None = None
    load: SampledPhase | None = None


def name_stacks_file(level: Level) -> str:
    return f"profile-{level}.txt"


def format_stacks(stacks: Stacks) -> str:
    """Collapsed, as flame graph programs read them: a line a stack, the most frequent first."""
    ordered = sorted(stacks.items(), key=lambda each: (-each[1], each[0]))
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in ordered)


def parse_stacks(text: str) -> Stacks:
    """A frame may have a line's end in its name: a stack goes on until its count. Raises
    ValueError."""
    found, begin = dict[Stack, int](), ""
    for line in text.splitlines():
        frames, _, count = f"{begin}{line}".rpartition(" ")
        if not count.isdecimal():
            begin = f"{begin}{line} "
            continue
        stack, begin = tuple(frames.split(";")), ""
        found[stack] = found.get(stack, 0) + int(count)
    if begin:
        raise ValueError(f"a stack without a count: {begin}")
    return found
