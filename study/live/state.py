"""Where a run is: the runner writes it, the live page reads it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from scenarios.units import Second

FILE = "live.json"


@dataclass(frozen=True, slots=True)
class LiveState:
    """number, of: which cell of how many. cell: the name of its folder. blocks: whether the
    endpoint's code holds the loop. t0_s: a moment to count from, time.monotonic() of this host."""

    command: str = ""
    number: int = 0
    of: int = 0
    cell: str = ""
    scenario: str = ""
    phase: str = ""
    left_s: Second = 0.0
    deaths: int = 0
    blocks: bool = False
    rows: tuple[str, ...] = ()
    """Of the table, of the cells that are done."""
    done: bool = False


def write_state(folder: Path, state: LiveState) -> None:
    half = folder / f"{FILE}.half"
    half.write_text(json.dumps(asdict(state)))
    half.replace(folder / FILE)


def read_state(folder: Path) -> LiveState:
    """An empty one before the first was written. Raises ValueError for what is none."""
    try:
        return TypeAdapter(LiveState).validate_json((folder / FILE).read_bytes())
    except FileNotFoundError:
        return LiveState()
