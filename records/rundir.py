"""A run directory: the boundary between running and judging. Written once, read for ever."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from records.cell import CellRecord, load_cell
from scenarios.problems import Problem

TABLES = ("requests", "handlers", "probe", "machine", "bystander", "upstream")
MANIFEST_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class CellDir:
    path: Path

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def record_file(self) -> Path:
        return self.path / "cell.json"

    def record(self) -> CellRecord:
        return load_cell(self.record_file)

    def table(self, name: str) -> pl.DataFrame:
        return pl.read_parquet(self.path / f"{name}.parquet")

    def save_table(self, name: str, frame: pl.DataFrame) -> None:
        frame.write_parquet(self.path / f"{name}.parquet", compression="zstd")


@dataclass(frozen=True, slots=True)
class RunDir:
    path: Path

    @property
    def manifest_file(self) -> Path:
        return self.path / "manifest.json"

    def cell(self, name: str) -> CellDir:
        return CellDir(self.path / "cells" / name)

    def cells(self) -> list[CellDir]:
        """Those that were saved, in the order in which they ran."""
        found = [CellDir(each.parent) for each in (self.path / "cells").glob("*/cell.json")]
        return sorted(found, key=lambda cell: cell.record().started_utc)

    def manifest(self) -> dict[str, object]:
        content: dict[str, object] = json.loads(self.manifest_file.read_text())
        return content

    def save_manifest(self, content: Mapping[str, object]) -> None:
        text = json.dumps({"schema": MANIFEST_SCHEMA, **content}, indent=2)
        self.manifest_file.write_text(text + "\n")


def new_run(parent: Path, name: str, now: datetime | None = None) -> RunDir:
    """Makes `<parent>/<UTC time>-<name>`, before anything is measured. Raises Problem."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    safe_name = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:60]
    path = parent / f"{stamp}-{safe_name}"
    count = 1
    while True:
        try:
            (path / "cells").mkdir(parents=True)
        except FileExistsError:
            count += 1
            path = parent / f"{stamp}-{safe_name}-{count}"
        except OSError as error:
            raise Problem(f"--out {parent}: cannot write there: {error.strerror}") from error
        else:
            return RunDir(path)


def open_run(path: Path) -> RunDir:
    """Raises Problem where there is no run."""
    run = RunDir(path)
    if not run.manifest_file.is_file():
        raise Problem(f"{path}: no run directory (there is no manifest.json in it)")
    return run
