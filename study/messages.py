"""What `study` says besides its results, on stderr. Imported before all that takes a while."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.report.table import make_harmless, wrap_whole

TICKER = Path(__file__).with_name("ticker.py")


def print_message(text: str) -> None:
    """In lines of a terminal; a pipe and a log get one line."""
    message = make_harmless(f"study: {text}")
    lines = wrap_whole(message) if sys.stderr.isatty() else [message]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


@contextmanager
def show_activity(activity: str, *, quiet: bool = False) -> Iterator[None]:
    """Count on stderr the seconds that the caller works, which may keep the interpreter lock."""
    if quiet:
        yield
        return
    command = (sys.executable, "-S", "-E", str(TICKER), activity)
    # its end closes the input, and waits for the ticker's
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield
