"""Which code blocked the event loop: for how long altogether, and how long at most.

While the heartbeat is older than `BLOCKED_AFTER_S`, the probe notes at each sample which route is
being served and which line the loop's thread is at. A sample stands for the time since the one
before it in its process, so that a stalled watchdog's one sample stands for all that it missed.
"""

import re
from dataclasses import dataclass

import polars as pl

from scenarios.units import Second

BEAT_S = 0.010
"""The probe's heartbeat: an age up to this is no lag."""
PLACE = re.compile(r"(?P<file>.+):(?P<line>\d+) (?P<function>.+)")
SITE = ("blocked_route", "blocked_frame")


@dataclass(frozen=True, slots=True)
class BlockingSite:
    """seconds: the time that the samples with this site stand for, in all processes together; it
    begins when the heartbeat is a tenth of a second old. longest_ms: the longest lag of the loop
    that was seen here. share: of the seconds of all sites. Where the probe knew no line, `function`
    is "module function" of the innermost frame, and `file` and `line` are None. Today's probe knows
    neither the whole stack nor the cause."""

    route: str | None
    file: str | None
    line: int | None
    function: str | None
    stack: tuple[str, ...] | None
    cause: str | None
    seconds: Second
    longest_ms: float
    share: float

    def __str__(self) -> str:
        place = f"{self.file}:{self.line} {self.function}" if self.file else self.function
        return " at ".join(each for each in (self.route, place) if each)


def find_blocking_sites(samples: pl.DataFrame) -> tuple[BlockingSite, ...]:
    """Of these samples of the probe; the worst first."""
    sites = (
        samples.sort("at_s")
        .with_columns(lasted_s=pl.col("at_s").diff().over("pid").fill_null(BEAT_S))
        .filter(pl.any_horizontal(pl.col(SITE).is_not_null()))
        .group_by(SITE)
        .agg(pl.col("lasted_s").sum(), pl.col("heartbeat_age_s").max())
        .sort("lasted_s", *SITE, descending=True)
    )
    all_s = float(sites["lasted_s"].sum())
    return tuple(
        build_site(route, place, lasted_s, age_s, lasted_s / all_s if all_s else 0.0)
        for route, place, lasted_s, age_s in sites.iter_rows()
    )


def build_site(
    route: str | None, place: str | None, seconds: Second, age_s: Second, share: float
) -> BlockingSite:
    found = PLACE.fullmatch(place or "")
    file, line, function = found.groups() if found else (None, None, place)
    return BlockingSite(
        route=route,
        file=file,
        line=int(line) if line else None,
        function=function,
        stack=None,
        cause=None,
        seconds=seconds,
        longest_ms=1000 * max(0.0, age_s - BEAT_S),
        share=share,
    )
