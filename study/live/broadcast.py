"""The data of the live page, twice per second: the state of the run, counters, the timeline."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl

from analysis.measures.window import Window
from analysis.report.interactive_timeline import encode_rows
from analysis.report.timeline import build_timeline_from_rows
from records.build_tables import shift_times
from records.harmless import make_code_harmless
from scenarios.units import Second
from study.live.follow import UNREADABLE, CellFollower
from study.live.state import read_state

EVERY_S = 0.5
SHOWN_S = 5.0
"""Length of the timeline."""
MOST_REQUESTS = 2_000
"""In the timeline: the page must not use a whole core."""
BEHIND_S = 0.3
"""Journals are flushed every 0.25 s, so that the newest moments are incomplete."""


@dataclass(slots=True)
class LiveBroadcast:
    """Broadcasts the state of the run in `directory`, the same message to every page."""

    directory: Path
    _cell: str = ""
    _follower: CellFollower | None = None
    _message: str = "{}"
    _listeners: set[asyncio.Event] = field(default_factory=set)

    async def run(self) -> None:
        """Update the message for ever. The short reads may block: nothing waits for this loop."""
        while True:
            try:
                self._message = json.dumps(clean_texts(self.build_message()), allow_nan=False)
            except UNREADABLE as error:  # the next update may succeed; the log has the error
                print(f"live: {error!r}", file=sys.stderr, flush=True)
            for listener in self._listeners:
                listener.set()
            await asyncio.sleep(EVERY_S)

    async def stream_messages(self) -> AsyncIterator[str]:
        """Yield the newest message, then each new one; a missed message is not repeated."""
        changed = asyncio.Event()
        changed.set()
        self._listeners.add(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield self._message
        finally:
            self._listeners.discard(changed)

    def build_message(self) -> dict[str, object]:
        state = read_state(self.directory)
        if state.cell and state.cell != self._cell:
            self._cell = state.cell
            raw = self.directory / "cells" / state.cell / "raw"
            self._follower = CellFollower(raw, keeps_rows=True)
        if self._follower is None or state.done:
            return {"state": asdict(state), "look": None, "lanes": None}
        look = self._follower.take_sample()
        lanes = build_lanes(self._follower, look.at_s, state.blocks) if self._listeners else None
        return {"state": asdict(state), "look": asdict(look), "lanes": lanes}


def build_lanes(follower: CellFollower, now_s: Second, blocks: bool) -> dict[str, object] | None:
    """Build the timeline of the last seconds; times are negative seconds before now."""
    handlers, probe = follower.handlers.rows, follower.probe.rows
    if handlers is None or probe is None:
        return None
    try:
        found = build_timeline_from_rows(
            shift_times(handlers, now_s),
            shift_times(probe, now_s),
            Window(-SHOWN_S, -BEHIND_S),
            blocks=blocks,
            most_requests=MOST_REQUESTS,
        )
    except pl.exceptions.PolarsError:  # columns of another probe: counters remain
        return None
    return {**encode_rows(found), "first_s": found.span.start_s}


def clean_texts(content: object) -> object:
    """Return JSON content with harmless texts: a client chooses paths, the service file names."""
    if isinstance(content, str):
        return make_code_harmless(content)
    if isinstance(content, list | tuple):
        return [clean_texts(each) for each in content]
    if isinstance(content, dict):
        return {name: clean_texts(each) for name, each in content.items()}
    return content
