"""What the runner and the load processes tell each other.

On this machine through small files in the cell's folder: they outlive either side, and reading
them asks nothing of the server. To and from other machines inside Locust's own messages.
Times are time.monotonic() of this host, in seconds, unless they say "ago" or "in".
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from records.clocks import ClockSample
from scenarios.model import Arrivals

PLAN_OPTION = "--load-plan"
"""An option of our own for Locust: the master passes it on to workers with the order to begin."""
CONTROL_FILE = "load-control.json"
PROGRESS_FILE = "load-progress.json"
CLOCKS_FILE = "load-clocks.json"


@dataclass(frozen=True, slots=True)
class LoadPlan:
    host: str
    path: str
    cell_number: int
    folder: str
    think_s: float
    timeout_s: float
    """Longer than any cell: a request that is not answered is unfinished, not a client's error."""
    users: int
    spawn_rate: float
    processes: int
    arrival_rate: float | None
    arrivals: Arrivals
    distributed: bool
    """Whether load processes may be on other machines, with clocks of their own."""


@dataclass(frozen=True, slots=True)
class Control:
    """stop_at_s: users send nothing more; drain_until_s: what is open then stays unfinished."""

    stop_at_s: float
    drain_until_s: float


@dataclass(frozen=True, slots=True)
class Progress:
    """Sums over the load processes that have reported; lost: how many of them fell silent."""

    users: int = 0
    warm: int = 0
    sent: int = 0
    completed: int = 0
    failed: int = 0
    in_flight: int = 0
    ramp_end_s: float | None = None
    lost: int = 0


def write_control(folder: Path, control: Control) -> None:
    _write(folder / CONTROL_FILE, json.dumps(asdict(control)))


def read_control(folder: Path) -> Control | None:
    text = _read(folder / CONTROL_FILE)
    return Control(**json.loads(text)) if text else None


def write_progress(folder: Path, progress: Progress) -> None:
    _write(folder / PROGRESS_FILE, json.dumps(asdict(progress)))


def read_progress(folder: Path) -> Progress:
    text = _read(folder / PROGRESS_FILE)
    return Progress(**json.loads(text)) if text else Progress()


def write_clocks(folder: Path, samples: list[ClockSample]) -> None:
    _write(folder / CLOCKS_FILE, json.dumps([asdict(sample) for sample in samples]))


def read_clocks(folder: Path) -> list[ClockSample]:
    text = _read(folder / CLOCKS_FILE)
    return [ClockSample(**each) for each in json.loads(text)] if text else []


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _write(path: Path, text: str) -> None:
    """Whole or not at all: the reader never sees half a file."""
    half = path.with_suffix(".half")
    half.write_text(text)
    half.replace(path)
