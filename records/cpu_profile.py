"""The Python code that a server ran, from stacks sampled outside it, alone and under load."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from scenarios.units import Second

FULL_INTERPRETER = 0.9
"""Cores used per worker. On two cores that are shared with the load, the kernel gives up to 6 % of
the time to other programs while a thread that only computes is ready to run (measured)."""
Level = Literal["alone", "load"]
Stack = tuple[str, ...]
"""Frames, outermost first, each `function (file)`. Files of an installed package start with
`site-packages/`, files of the standard library with `lib/python`; all others are relative to the
app's folder."""
Stacks = Mapping[Stack, int]
"""Maps each stack to the number of samples in which it held the GIL."""


@dataclass(frozen=True, slots=True)
class SampledPhase:
    """The server's work while it was sampled.

    cpu_s: CPU seconds of all its processes, with and without the GIL. requests: responses in that
    time, successful or not. samples_per_s: sampling rate. idle_cores: cores used before the first
    request, if measured.
    """

    lasting_s: Second
    requests: int
    cpu_s: Second
    samples_per_s: float
    idle_cores: float = 0.0


@dataclass(frozen=True, slots=True)
class CpuProfile:
    """The profile of a cell to explain. fault: why it has no stacks, else None. The stacks are in
    `profile-alone.txt` and `profile-load.txt`."""

    fault: str | None = None
    alone: SampledPhase | None = None
    load: SampledPhase | None = None


def name_stacks_file(level: Level) -> str:
    return f"profile-{level}.txt"


def format_stacks(stacks: Stacks) -> str:
    """Return collapsed stacks for flame graph tools: one line per stack, most frequent first."""
    ordered = sorted(stacks.items(), key=lambda each: (-each[1], each[0]))
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in ordered)


def parse_stacks(text: str) -> Stacks:
    """Parse collapsed stacks. A frame's name may contain a newline, so a stack ends at its count.
    Raises ValueError."""
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
