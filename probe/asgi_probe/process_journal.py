"""The journal of this process; a probe that only feeds metrics writes none."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from time import monotonic

from . import audit_logs
from .blocks import BEAT_S
from .journal import Columns, ProbeJournal


class NoJournal(ProbeJournal):
    def __init__(self) -> None:
        """Open no file."""

    def intern_text(self, value: str | None) -> int:  # noqa: ARG002
        return 0

    def add(self, table: str, row: bytes) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def open_journal(directory: Path | None, tables: Mapping[str, Columns]) -> ProbeJournal:
    """Create a file in the directory. Raises OSError, as on a full disk."""
    if directory is None:
        return NoJournal()
    return ProbeJournal(
        directory / f"probe-{os.getpid()}-{monotonic():.3f}.journal",
        {**tables, **audit_logs.TABLES} if audit_logs.is_audit() else tables,
        {"pid": os.getpid(), "beat_us": round(BEAT_S * 1e6)},
    )
