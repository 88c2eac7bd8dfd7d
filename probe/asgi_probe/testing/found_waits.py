"""A long wait for a token: which call waited, and where the pool's threads were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from asgi_probe.routes import find_route

from .found_blocks import BlockFinder
from .token_waits import BusyThread, TokenWait

MOST_SITES = 3


class FoundWait(NamedTuple):
    """total: the limiter's tokens. busy: lines of the pool's threads, the most frequent first."""

    waited_s: float
    call: str
    route: str | None
    total: float
    busy: Sequence[str]


def describe_wait(wait: TokenWait, finder: BlockFinder) -> FoundWait:
    sites = Counter(describe_thread(each, finder) for each in wait.busy or ())
    busy = [f"{count} at {text}" for text, count in sites.most_common(MOST_SITES)]
    route = find_route(wait.record.scope) if wait.record is not None else None
    return FoundWait(wait.measure(), wait.call, route, wait.total, busy)


def describe_thread(thread: BusyThread, finder: BlockFinder) -> str:
    site = finder.locate(thread.stack)
    waits_for = f", which waits for {thread.waits_for}" if thread.waits_for else ""
    return f"{site.file}:{site.line} in {site.function}: {site.call}{waits_for}"
