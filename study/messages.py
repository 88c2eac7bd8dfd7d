"""What `study` says besides its results: on stderr, under its own name."""

import sys

from analysis.report.table import wrap_whole


def print_message(text: str) -> None:
    """In lines of a terminal; a pipe and a log get one line."""
    message = f"study: {text}"
    lines = wrap_whole(message) if sys.stderr.isatty() else [message]
    print(*lines, sep="\n", file=sys.stderr, flush=True)
