"""Reads a server's settings from its command, its variables and its configuration file."""

import argparse
import ast
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class StartedServer:
    """A server that the user starts. words: arguments after its name. folder: its working folder.
    served_by: its name and version, as the probe reports them."""

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    served_by: str


class WordReader(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_options(words: Sequence[str], options: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the values of the options in the words; none if the words cannot be parsed. options:
    maps each name to its spellings."""
    reader = WordReader(add_help=False, allow_abbrev=False)
    for name, typed in options.items():
        reader.add_argument(*typed, dest=name)
    try:
        found, _ = reader.parse_known_args(list(words))
    except ValueError:
        return {}
    return {name: value for name, value in vars(found).items() if value is not None}


def read_words(text: str) -> list[str]:
    """Split the text as a shell does; return no words if that fails."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def read_assignments(file: Path, names: Mapping[str, object]) -> dict[str, int | None]:
    """Return the values that a Python file assigns to the names, without running it. None: not a
    plain number, or not a valid Python file. Empty if the file does not exist."""
    if file.exists() and not file.is_file():
        return dict.fromkeys(names)  # a pipe is for the server to read
    try:
        tree = ast.parse(file.read_bytes())
    except OSError:
        return {}
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return dict.fromkeys(names)
    found: dict[str, int | None] = {}
    for stored in list_stores(tree):
        if stored in names:
            found[stored] = None  # assigned somewhere; a plain top-level number replaces this
        if stored == "*":
            found |= dict.fromkeys(names)
    for statement in tree.body:
        for name, value in list_plain(statement):
            if name in names and list_stores(tree).count(name) == 1:
                found[name] = value
    return found


def list_plain(statement: ast.stmt) -> list[tuple[str, int]]:
    """Return the names and the value of an assignment such as `timeout = 30`."""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
        return []
    value = statement.value.value
    names = [each.id for each in statement.targets if isinstance(each, ast.Name)]
    return [(name, value) for name in names] if type(value) is int else []


def list_stores(tree: ast.AST) -> list[str]:
    """Return the names that the module assigns or imports, as often as it does."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
        if isinstance(node, ast.Import | ast.ImportFrom):
            found += [each.asname or each.name for each in node.names]
    return found
