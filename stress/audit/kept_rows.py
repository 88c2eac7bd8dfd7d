"""What the load of an audit has seen so far, on disk in case the audit is killed."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from records.audit import Phase
from scenarios.units import Second
from stress.audit.driven import Row
from stress.audit.schedule import parse_users

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


def restore_phases(
    rows: Sequence[Row], phases: Sequence[Phase], ended_s: Second
) -> Iterator[Phase]:
    """Yield the phases that were not finished, from their rows. ended_s: since the audit's t0."""
    finished = {each.name for each in phases}
    for name in dict.fromkeys(each[0] for each in rows if each[0] not in finished):
        mine = [each for each in rows if each[0] == name]
        routes = tuple(dict.fromkeys(f"{method} {route}" for _, _, _, method, route, *_ in mine))
        yield Phase(name, min(each[5] for each in mine), ended_s, parse_users(name), routes)
