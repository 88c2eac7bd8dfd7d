"""Notes loops whose handles cannot be timed, so that a test's success does not mislead."""

from __future__ import annotations

import sys
from collections.abc import Callable

UVLOOP = "uvloop"
UNSEEN = (
    "uvloop ran during {}. It runs its callbacks without asyncio's Handle, so its blocks are not"
    " seen: run the tests on asyncio's own loop."
)


class UnseenLoops:
    """uvloop_ran: since the last notice."""

    uvloop_ran = False


unseen_loops = UnseenLoops()
"""One for the process, since the wrapper stays."""


def note_unseen_loops() -> None:
    """Wrap the loop of uvloop, once per process, if the tests have imported it."""
    loop = getattr(sys.modules.get(UVLOOP), "Loop", None)
    run = getattr(loop, "run_forever", None)
    if loop is not None and run is not None and not hasattr(run, "probe_original"):
        loop.run_forever = wrap_run(run)


def wrap_run(original: Callable[[object], None]) -> Callable[[object], None]:
    def run_forever(loop: object) -> None:
        unseen_loops.uvloop_ran = True
        original(loop)

    run_forever.probe_original = original  # type: ignore[attr-defined]
    return run_forever


def take_notice(place: str) -> str | None:
    """Return what to say about the loops that have run since the last notice. place: a test."""
    has_run, unseen_loops.uvloop_ran = unseen_loops.uvloop_ran, False
    return UNSEEN.format(place) if has_run else None
