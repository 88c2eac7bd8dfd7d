"""Run directories: a run writes one once, and the analysis only reads it."""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import polars as pl
from pydantic import TypeAdapter
from pydantic_core import to_json

from records.cell import CellRecord
from records.cpu_profile import (
    Level,
    Stacks,
    format_stacks,
    name_stacks_file,
    parse_stacks,
)
from records.files import write_whole
from records.harmless import make_json_harmless, make_table_harmless
from records.parse_json import parse_json
from records.rows import MOMENTS, SPANS
from scenarios.errors import UserError, build_write_error

TABLES = ("requests", "handlers", "probe", "machine", "bystander", "upstream")
"""Tables in every run. Later versions add more, such as blocks and block_stacks."""
MANIFEST_SCHEMA = 1
OTHER_OUT = "choose another folder (--out)"
LONGEST_S = 1e7
"""Seconds from a cell's t0; a third of a year."""
MOST_NAME = 32
"""Characters, so that `Report: results/<UTC time>-<name>/report.html` fits a terminal line."""
JUDGING_ERRORS = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
RECORD = TypeAdapter(CellRecord)
T = TypeVar("T")


@contextmanager
def translate_read_errors(path: Path) -> Iterator[None]:
    """Turn the error for a missing, torn or unrelated file into a UserError of one line. Reading
    another kind of file, such as a pipe, could wait for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise UserError(f"{path} is not a regular file")
    try:
        yield
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; this run cannot be analyzed without it") from error
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = " ".join(str(error).split())[:100]
        raise UserError(
            f"{path} is damaged ({reason}); run the scenario again, or remove the cell"
        ) from error


def read_record(kind: TypeAdapter[T], path: Path) -> T:
    """Read a record. Raises UserError if it is missing or damaged, or if a value has another type:
    a text that could be read as a number is damage too, such as "Infinity"."""
    with translate_read_errors(path):
        return kind.validate_json(json.dumps(parse_json(path.read_text("utf-8"))), strict=True)


def encode_record(kind: TypeAdapter[T], record: T) -> bytes:
    """Encode a record with harmless texts: pydantic refuses a name that is not UTF-8."""
    content = make_json_harmless(kind.dump_python(record, mode="json"))
    return to_json(content, indent=2, inf_nan_mode="null") + b"\n"


def check_moments(frame: pl.DataFrame) -> None:
    """Raises ValueError for times that no cell can have."""
    named = [name for name in frame.columns if name in MOMENTS and frame.schema[name].is_float()]
    odd = frame.select(
        (~pl.col(name).is_between(-LONGEST_S, LONGEST_S)).any().alias(name) for name in named
    )
    for name in named:
        if odd[name].item():
            raise ValueError(f"column {name} has a value that is not a time")


def check_order(frame: pl.DataFrame, span: Sequence[str]) -> None:
    """Raises ValueError for a row that ends before it begins. span: no columns, or two."""
    if span and set(span) <= set(frame.columns):
        began, ended = span
        if frame.select((pl.col(ended) < pl.col(began)).any()).item():
            raise ValueError(f"a row has {ended} before {began}")


@contextmanager
def translate_judging_errors(path: Path) -> Iterator[None]:
    """Turn an error in the analysis of records into a UserError of one line: their values may have
    the right types and contradict each other. A run that has just measured does not use this."""
    try:
        yield
    except (*JUDGING_ERRORS, pl.exceptions.PolarsError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:100]
        raise UserError(
            f"{path}: cannot analyze its records ({reason}); report it unless they were changed"
        ) from error


@contextmanager
def translate_write_errors(path: Path, what: str, other: str = OTHER_OUT) -> Iterator[None]:
    """Raise UserError if the disk is full. what: the thing to save, such as "the audit". other: how
    to have it elsewhere."""
    try:
        yield
    except OSError as error:
        why = f"{path}: cannot save {what}: {error.strerror or error}. Files already there stay"
        advice = f"Free disk space or {other}, then run it again"
        raise build_write_error(error, f"{why}. {advice}") from error


@dataclass(frozen=True, slots=True)
class CellDir:
    path: Path

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def record_file(self) -> Path:
        return self.path / "cell.json"

    def load_record(self) -> CellRecord:
        """Load the record. Raises UserError if it is missing or damaged."""
        return read_record(RECORD, self.record_file)

    def save_record(self, record: CellRecord) -> None:
        write_whole(self.record_file, encode_record(RECORD, record))

    def load_table(self, name: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Load these columns, or all. Raises UserError if one is missing or damaged."""
        path = self.path / f"{name}.parquet"
        with translate_read_errors(path):
            is_plain = str(path).isprintable()  # polars takes no name with what UTF-8 lacks
            source = path if is_plain else BytesIO(path.read_bytes())
            chosen = None if columns is None else list(columns)
            frame = pl.read_parquet(source, columns=chosen, glob=False)  # [1] is no pattern
            check_moments(frame)
            check_order(frame, SPANS.get(name, ()))
            return make_table_harmless(frame)

    def has_table(self, name: str) -> bool:
        return (self.path / f"{name}.parquet").exists()

    def load_stacks(self, level: Level) -> Stacks:
        """Load the stacks. Raises UserError if they are missing or damaged."""
        path = self.path / name_stacks_file(level)
        with translate_read_errors(path):
            return parse_stacks(path.read_text("utf-8"))

    def save_stacks(self, level: Level, stacks: Stacks) -> None:
        write_whole(self.path / name_stacks_file(level), format_stacks(stacks))

    def save_table(self, name: str, frame: pl.DataFrame) -> None:
        """Save a table. Raises OSError if the disk is full, and then leaves no partial file."""
        content = BytesIO()
        frame.write_parquet(content, compression="zstd")
        write_whole(self.path / f"{name}.parquet", content.getbuffer())


@dataclass(frozen=True, slots=True)
class RunDir:
    path: Path

    @property
    def manifest_file(self) -> Path:
        return self.path / "manifest.json"

    def open_cell(self, name: str) -> CellDir:
        """Raises UserError for a name from a record that would leave the run directory."""
        if name != Path(name).name:
            raise UserError(f"{self.path}: {name[:80]!r} is not the name of a cell")
        return CellDir(self.path / "cells" / name)

    def list_saved_cells(self) -> list[CellDir]:
        """Return the saved cells in the order in which they ran. Raises UserError if only the
        summary was kept."""
        with translate_read_errors(folder := self.path / "cells"):
            found = [CellDir(each) for each in folder.iterdir() if (each / "cell.json").exists()]
        return sorted(found, key=lambda cell: cell.load_record().started_utc)

    def list_unsaved_cells(self) -> list[str]:
        """Return the names of cells without a record, whose runner was killed."""
        saved = {cell.path.name for cell in self.list_saved_cells()}
        return sorted({each.name for each in self.path.glob("cells/*/")} - saved)

    def load_manifest(self) -> dict[str, object]:
        """Load the manifest. Raises UserError if it is damaged or has another schema."""
        with translate_read_errors(self.manifest_file):
            content = parse_json(self.manifest_file.read_text("utf-8"))
            if not isinstance(content, dict) or content.get("schema") != MANIFEST_SCHEMA:
                raise ValueError(f"not a manifest of schema {MANIFEST_SCHEMA}")
            return content

    def save_manifest(self, content: Mapping[str, object]) -> None:
        text = json.dumps({"schema": MANIFEST_SCHEMA, **content}, indent=2)
        write_whole(self.manifest_file, text + "\n")

    def discard_if_empty(self) -> None:
        """Remove the run directory if no cell was started."""
        if not any((self.path / "cells").iterdir()):
            self.discard()

    def discard(self) -> None:
        shutil.rmtree(self.path)


def create_run(parent: Path, name: str, now: datetime | None = None) -> RunDir:
    """Create `<parent>/<UTC time>-<name>` before anything is measured. Raises UserError."""
    try:
        os.fsencode(parent.absolute()).decode()
    except UnicodeDecodeError:
        raise UserError(
            f"--out {parent.absolute()}: its name is not UTF-8; choose another folder"
        ) from None
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    safe_name = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:MOST_NAME]
    path = parent / f"{stamp}-{safe_name}"
    count = 1
    while True:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            path.mkdir()
            (path / "cells").mkdir()
        except OSError as error:
            if not (isinstance(error, FileExistsError) and path.exists()):
                reason = "it is no folder" if isinstance(error, FileExistsError) else error.strerror
                raise UserError(f"--out {parent}: cannot write there: {reason}") from error
            count += 1
            path = parent / f"{stamp}-{safe_name}-{count}"
        else:
            return RunDir(path)


def open_run(path: Path) -> RunDir:
    """Open a run directory. Raises UserError if there is none."""
    run = RunDir(path)
    if not run.manifest_file.is_file():
        raise UserError(f"{path}: not a run directory (it has no manifest.json)")
    run.load_manifest()
    return run
