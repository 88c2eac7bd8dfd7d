"""The text of a failed check."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .baseline import SiteKey, make_key
from .found_blocks import FoundBlock
from .found_waits import FoundWait

MOST_SHOWN = 5
MOST_OF_IT = 0.9
CAUSES = {
    "wait": "the thread waited in this call",
    "compute": "the thread computed",
    "gil": "another thread held the GIL",
    "gc": "garbage collection",
    "unexplained": "unexplained: the clocks do not agree on one cause",
}
NO_DELAY = (
    "  This system does not report how long a thread waits for a core: on a busy machine, that\n"
    "  wait counts as blocked."
)


def format_ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def find_key(block: FoundBlock) -> SiteKey:
    if block.site is None:
        return SiteKey("", block.task.partition(" (")[0], "")
    return make_key(block.site.file, block.site.function, block.site.call)


def format_blocks(blocks: Sequence[FoundBlock], max_s: float) -> str:
    """Describe each site once, the longest block first."""
    sites: dict[SiteKey, list[FoundBlock]] = {}
    for block in sorted(blocks, key=lambda each: -each.own_s):
        sites.setdefault(find_key(block), []).append(block)
    shown = [format_site(each, max_s) for each in list(sites.values())[:MOST_SHOWN]]
    more = len(sites) - len(shown)
    return "\n".join([*shown, *([f"{more} more places blocked it."] if more else [])])


def format_site(blocks: Sequence[FoundBlock], max_s: float) -> str:
    block = blocks[0]
    where = f" in {block.route}" if block.route else ""
    often = f" ({len(blocks)} times; this is the longest)" if len(blocks) > 1 else ""
    lines = [
        f"The event loop was blocked for {format_ms(block.own_s)}{where}{often};"
        f" the maximum is {format_ms(max_s)}."
    ]
    site = block.site
    if site is None:
        lines.append(f"  No stack was sampled; it ran {block.task}.")
    else:
        is_part = block.site_s < MOST_OF_IT * block.own_s
        part = f" (for {format_ms(block.site_s)})" if is_part else ""
        lines.append(f"  {site.file}:{site.line} in {site.function}: {site.call}{part}")
        if site.below:
            lines.append(f"  below it: {site.below}")
    lines.append(f"  Cause: {CAUSES[block.cause]}{describe_holder(block)}.")
    if not block.has_delays:
        lines.append(NO_DELAY)
    elif block.excused_s >= 0.001:
        lines.append(f"  Not counted: {format_ms(block.excused_s)} of waiting for a core.")
    return "\n".join(lines)


def format_waits(waits: Sequence[FoundWait], max_s: float) -> str:
    """Describe the longest wait."""
    wait = max(waits, key=lambda each: each.waited_s)
    where = f" in {wait.route}" if wait.route else ""
    lines = [
        f"{wait.call} waited {format_ms(wait.waited_s)} for a thread of the pool{where},"
        f" all {wait.total:g} tokens being taken; the maximum is {format_ms(max_s)}."
    ]
    if len(waits) > 1:
        lines.append(f"  {len(waits)} calls waited for longer than that.")
    lines += [f"  Threads of the pool: {each}" for each in wait.busy]
    return "\n".join(lines)


def describe_holder(block: FoundBlock) -> str:
    """Return the line of the thread that held the GIL, if it is known."""
    if block.holder is None or block.holder.stack is None:
        return ""
    module, file, line, function, _ = json.loads(block.holder.stack)[0]
    return f": {module}.{function} ({file}:{line})"
