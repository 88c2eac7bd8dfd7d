"""What a user of the command line did wrong, or what this machine cannot do."""

from __future__ import annotations

import sys
from contextlib import suppress

WRONG_USE, CANNOT, BROKEN = 2, 3, 4


class UsageError(Exception):
    """One line: what is wrong and what to do. exit_code: WRONG_USE, CANNOT, or BROKEN if
    the output cannot be written."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def print_message(text: str) -> None:
    """Print a line to stderr, if it can be written: a service must start without it, too."""
    if sys.stderr is not None:  # closed: `print` would take stdout
        with suppress(OSError):
            print(f"asgi-probe: {text}", file=sys.stderr)
