"""Messages of `study` on stderr. This module is imported before the slow ones."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.report.table import wrap_whole
from records.harmless import make_harmless

TICKER = Path(__file__).with_name("ticker.py")


def print_message(text: str) -> None:
    """Wrap the message on a terminal; print one line to a pipe or a log."""
    message = make_harmless(f"study: {text}")
    lines = wrap_whole(message) if sys.stderr.isatty() else [message]
    print(*lines, sep="\n", file=sys.stderr, flush=True)


@contextmanager
def show_activity(activity: str, *, quiet: bool = False) -> Iterator[None]:
    """Count the seconds of the body on stderr, even while it holds the interpreter lock."""
    if quiet:
        yield
        return
    command = (sys.executable, "-S", "-E", str(TICKER), activity)
    # leaving the with closes the input, which ends the ticker, and waits for it
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True):
        yield
