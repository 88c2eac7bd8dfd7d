"""What a record keeps of a user's command: nothing that could be a secret. Folder `records` and the
probe, which import nothing of each other, have the same file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

HIDDEN = "..."
SERVER = re.compile("(.*/)?(uvicorn|gunicorn|hypercorn|granian|daphne|fastapi)")
SUB_COMMANDS = ("run", "dev")
OPTION = re.compile("--[a-z][a-z0-9_-]*")
FLAG = re.compile(r"--(no-.*|(date|proxy|server)-headers?|access-log|factory|preload|reload)")
"""Takes no value: the next word may be the app."""
SHOWN = re.compile(
    "--(backlog|bind|graceful-timeout|host|http|interface|keep-alive|lifespan|limit-concurrency"
    "|limit-max-requests|log-level|loop|max-requests|max-requests-jitter|port|threads|timeout"
    "|timeout-keep-alive|worker-class|worker-connections|workers|ws)"
)
"""Options of servers, whose values are no secrets."""
PLAIN = re.compile(r"[\w.:*\[\]-]{1,80}")
MODULE = re.compile(r"[A-Za-z_][\w.]*")
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*(\(\))?")


def hide_values(argv: Sequence[str], folder: Path) -> tuple[str, ...]:
    """Keep the program, modules, apps, files, names of options, and values of SHOWN options.
    folder: the command's working folder."""
    return (*argv[:1], *(hide_value(argv, at, folder) for at in range(1, len(argv))))


def hide_value(argv: Sequence[str], at: int, folder: Path) -> str:
    before, word = argv[at - 1], argv[at]
    name, equals, value = word.partition("=")
    if SHOWN.fullmatch(before):
        return word if PLAIN.fullmatch(word) else HIDDEN
    if OPTION.fullmatch(name):
        is_shown = not equals or (SHOWN.fullmatch(name) and PLAIN.fullmatch(value))
        return word if is_shown else f"{name}={HIDDEN}"
    if re.match("-[A-Za-z]", word):
        return word[:2] + (HIDDEN if word[2:] else "")
    if word == "--" or is_name(argv, at) or is_file(folder / word):
        return word
    return f"{name}={HIDDEN}" if equals and MODULE.fullmatch(name) else HIDDEN


def is_name(argv: Sequence[str], at: int) -> bool:
    """Return True for a module after -m, a server, and a server's app or sub-command."""
    before, word = argv[at - 1], argv[at]
    if before == "-m":
        return at == argv.index("-m") + 1 and MODULE.fullmatch(word) is not None
    if before.startswith("-") and not FLAG.fullmatch(before):
        return False
    if not any(map(SERVER.fullmatch, argv[:at])):
        return SERVER.fullmatch(word) is not None
    return word in SUB_COMMANDS or TARGET.fullmatch(word) is not None


def is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the word is too long for a name
        return False
