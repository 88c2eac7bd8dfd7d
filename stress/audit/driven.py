"""The size of an audit's load, and its result."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from records.audit import ASKED, Phase
from scenarios.units import Second
from stress.audit.ask import Ask

Row = tuple[str, int, int, str, str, float, float | None, int | None, str | None, int]
"""A row in the order of ASKED."""
Show = Callable[[str], None]
IN_BACKGROUND = "the service went to the background"


@dataclass(frozen=True, slots=True)
class AuditLoad:
    """t0_s: the audit's start by time.monotonic(). duration_s: of the phase with all routes,
    or of the user's own traffic; inf until Ctrl-C. only_together: skip the phases with one route.
    journals: the probe's folder; None without a probe. kept: file for the rows, in case the audit
    is killed."""

    t0_s: float
    users: int = 20
    duration_s: Second = 10.0
    timeout_s: Second = 30.0
    only_together: bool = False
    journals: Path | None = None
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class Driven:
    """rows: of records.audit.ASKED. interrupted: why the load stopped early, else None. warnings:
    sentences. asks: the driven requests."""

    rows: pl.DataFrame
    phases: tuple[Phase, ...]
    warnings: tuple[str, ...] = ()
    interrupted: str | None = None
    asks: tuple[Ask, ...] = ()


def build_asked_table(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=ASKED, orient="row")
