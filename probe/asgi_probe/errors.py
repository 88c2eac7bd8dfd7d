"""What a user of the command line did wrong, or what this machine cannot do."""

from __future__ import annotations

WRONG_USE, CANNOT, BROKEN = 2, 3, 4


class UsageError(Exception):
    """One line: what is wrong and what to do. exit_code: WRONG_USE, CANNOT, or BROKEN if
    the output cannot be written."""

    def __init__(self, message: str, exit_code: int = WRONG_USE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
