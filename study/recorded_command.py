"""What was typed, for the record."""

import shlex
from collections.abc import Sequence


def record_command(argv: Sequence[str]) -> str:
    """Without the database's address, which may hold a password."""
    words = ["study", *argv]
    for at, word in enumerate(words):
        if word.startswith("--database-url="):
            words[at] = "--database-url=..."
        elif at and words[at - 1] == "--database-url":
            words[at] = "..."
    return shlex.join(words)
