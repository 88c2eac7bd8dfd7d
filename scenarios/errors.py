"""The error class for everything that a user can cause or fix."""

import errno
from collections.abc import Collection
from difflib import get_close_matches

ALL_WELL, NOT_AS_EXPECTED, WRONG_USE, CANNOT, BROKEN, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""Exit codes. NOT_AS_EXPECTED: only for a threshold of the user's, or a checked sentence of the
guidance, that was not met. CANNOT: this machine or the measured service cannot do it. BROKEN: this
tool failed; what was measured is kept."""

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)


class UserError(Exception):
    """One line: what is wrong and what to do. Shown without a traceback."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def build_cannot_run_error(message: str) -> UserError:
    return UserError(message, CANNOT)


def build_write_error(error: OSError, message: str, otherwise: int = CANNOT) -> UserError:
    """BROKEN where a disk filled up in the middle, `otherwise` where nothing can be written."""
    return UserError(message, BROKEN if error.errno in FULL_DISK else otherwise)


def suggest_name(name: str, known: Collection[str]) -> str | None:
    """Return a question that names the closest known name; None if no name is close."""
    found = get_close_matches(name, known, n=1)
    return f"did you mean {found[0]}?" if found else None
