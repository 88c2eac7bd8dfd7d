"""What the load of an audit has seen so far, on disk in case the audit is killed."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from records.audit import Phase
from stress.audit.driven import Row

ROWS_FILE = "asked.jsonl"
ROW = TypeAdapter(Row)
PHASE = TypeAdapter(Phase)


@dataclass(slots=True)
class KeptRows:
    """A file of the rows and finished phases, one in a line of JSON. path: None for no file. rows,
    phases: how many are in it."""

    path: Path | None = None
    rows: int = 0
    phases: int = 0

    def add_new(self, rows: Sequence[Row], phases: Sequence[Phase]) -> None:
        """Append what is not in the file yet. A full disk ends it: saving the tables reports it."""
        new = (*rows[self.rows :], *map(asdict, phases[self.phases :]))
        if self.path is None or not new:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(f"{json.dumps(each)}\n" for each in new)
        except OSError:
            self.path = None
        self.rows, self.phases = len(rows), len(phases)


def read_kept_rows(path: Path) -> tuple[list[Row], tuple[Phase, ...]]:
    """Read the file; drop a torn last line, which SIGKILL leaves. Raises ValueError, OSError."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    lines = whole.splitlines()
    rows = [ROW.validate_json(each) for each in lines if each.startswith(b"[")]
    return rows, tuple(PHASE.validate_json(each) for each in lines if each.startswith(b"{"))
