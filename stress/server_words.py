"""Settings of a server that the user starts: from its command, its variables and its file."""

import argparse
import ast
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class StartedServer:
    """words: after its name. folder: where it runs. served_by: its name and version, as the
    processes with the probe inside say it."""

    words: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    served_by: str


class WordReader(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_options(words: Sequence[str], options: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The values of those options that are among the words; empty where the words are no options.
    options: how each may be typed, by its name."""
    reader = WordReader(add_help=False, allow_abbrev=False)
    for name, typed in options.items():
        reader.add_argument(*typed, dest=name)
    try:
        found, _ = reader.parse_known_args(list(words))
    except ValueError:
        return {}
    return {name: value for name, value in vars(found).items() if value is not None}


def read_words(text: str) -> list[str]:
    """As a shell would split it; none where it could not."""
    try:
        return shlex.split(text)
    except ValueError:
        return []


def read_assignments(file: Path, names: Mapping[str, object]) -> dict[str, int | None]:
    """What a Python file sets of those names, without running it: None where it is no plain number,
    or where the file can't be read as Python. Empty where there is no such file."""
    try:
        tree = ast.parse(file.read_bytes())
    except OSError:
        return {}
    except (SyntaxError, ValueError):
        return dict.fromkeys(names)
    found: dict[str, int | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in names:
            found[node.id] = None  # set somewhere: a plain number at the top replaces it
        if isinstance(node, ast.ImportFrom) and any(each.name == "*" for each in node.names):
            found |= dict.fromkeys(names)
    for statement in tree.body:
        for name, value in list_plain(statement):
            if name in names and count_stores(tree, name) == 1:
                found[name] = value
    return found


def list_plain(statement: ast.stmt) -> list[tuple[str, int]]:
    """`timeout = 30`"""
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Constant):
        return []
    value = statement.value.value
    names = [each.id for each in statement.targets if isinstance(each, ast.Name)]
    return [(name, value) for name in names] if type(value) is int else []


def count_stores(tree: ast.AST, name: str) -> int:
    return sum(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == name
        for node in ast.walk(tree)
    )
