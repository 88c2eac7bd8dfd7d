"""Where the command `study` begins. A wheel holds this file as asyncio_vs_threads/__init__.py, with
the folders of the clone beside it; a clone's .venv/bin/study runs it as it is.

Signals are answered from the first moment, imports included.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

INTERRUPTED = 130


def main() -> int:
    """The exit code. Our folders are put on this process's path alone: nothing else that runs in
    this environment shall meet our `app` or `analysis` instead of a user's."""
    answer_signals(os._exit)  # nothing has begun, and an exception in mid-import may end anywhere
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here if (here / "study").is_dir() else here.parent))
    from study.cli import main as run_command_line
    from study.output import guard_output

    guard_output()
    answer_signals(sys.exit)
    return run_command_line()


def answer_signals(end: Callable[[int], object]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end(INTERRUPTED))


if __name__ == "__main__":
    sys.exit(main())
