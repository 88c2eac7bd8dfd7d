"""The entry point of the command `study`. A wheel has this file as asyncio_vs_threads/__init__.py,
next to the folders of the clone; a clone's .venv/bin/study runs it unchanged.

Signal handlers are installed before the slow imports.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

INTERRUPTED = 130
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def main() -> int:
    """Return the exit code. The project's folders are on this process's path only, so that no other
    program of this environment imports our `app` or `analysis` instead of the user's."""
    answer_signals(os._exit)  # nothing to clean up yet; an import may swallow an exception
    here = Path(__file__).resolve().parent
    sys.path.insert(0, str(here if (here / "study").is_dir() else here.parent))
    from study.cli import main as run_command_line
    from study.output import guard_output

    guard_output()
    answer_signals(sys.exit)
    try:
        return run_command_line()
    finally:  # all is done: the exit code is not a signal's any more
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def answer_signals(end: Callable[[int], object]) -> None:
    for number in SIGNALS:
        signal.signal(number, lambda *_: end(INTERRUPTED))


if __name__ == "__main__":
    sys.exit(main())
