"""The state of a run, written by the runner and read by the live page."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from records.files import write_whole
from scenarios.units import Second

FILE = "live.json"


@dataclass(frozen=True, slots=True)
class LiveState:
    """number, of: the cell's number and the number of cells. cell: the name of its folder. blocks:
    the endpoint's code blocks the loop."""

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
    """Table rows of the completed cells."""
    done: bool = False


def write_state(folder: Path, state: LiveState) -> None:
    write_whole(folder / FILE, json.dumps(asdict(state)))


def read_state(folder: Path) -> LiveState:
    """Return an empty state before the first write. Raises ValueError for invalid content."""
    try:
        return TypeAdapter(LiveState).validate_json((folder / FILE).read_bytes())
    except FileNotFoundError:
        return LiveState()
