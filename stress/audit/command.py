"""The command that an audit starts: the user's, or one that serves `main:app`."""

import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from scenarios.errors import UserError
from stress.machine import find_free_port
from stress.plan import HOST
from stress.processes import list_debugging
from stress.servers.uvicorn import build_app_argv

AS_OTHERS = frozenset({"sudo", "doas", "pkexec", "su", "runuser"})
TARGET = re.compile(r"[\w.]+:[\w.]+(\(\))?")
RELOAD = re.compile(r"--reload(=.*)?")
LONGEST_SHEBANG = 4096


@dataclass(frozen=True, slots=True)
class AuditedCommand:
    """The program and its arguments as the user gave them, and its working folder. variables: those
    that a trial adds."""

    argv: tuple[str, ...]
    folder: Path
    variables: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return shlex.join(self.argv)


def build_target_command(target: str, app_dir: Path, python: Path, port: int) -> AuditedCommand:
    """Build the command that serves `main:app` or the factory `main:create()` on `port`; 0 picks a
    free one. Raises UserError."""
    if not TARGET.fullmatch(target):
        raise UserError(
            f"{target!r} is not an app; give module:attribute, such as main:app, or main:create() "
            "for a factory"
        )
    if not app_dir.is_dir():
        raise UserError(f"--app-dir {app_dir}: no such folder")
    program = shutil.which(str(python.expanduser().absolute()))
    if program is None:
        raise UserError(f"--python {python}: not found; give the path of a Python")
    argv = build_app_argv(program, target, HOST, find_free_port(port))
    return AuditedCommand(argv, app_dir)


def reject_command(command: AuditedCommand) -> None:
    """Raise UserError for a command that cannot start, or that restarts its app."""
    if not command.argv:
        raise UserError("no command; give it after --, such as study audit -- uvicorn main:app")
    if not command.folder.is_dir():
        raise UserError(f"{command.folder}: no such folder")
    if os.geteuid() != 0 and Path(command.argv[0]).name in AS_OTHERS:
        raise UserError(
            f"{command.argv[0]} starts the service as another user, and an audit may not end it; "
            "start the audit itself as that user"
        )
    if find_program(command) is None:
        raise UserError(
            f"{command.argv[0]!r} is not a program that can be started from "
            f"{command.folder.resolve()}; correct its name, or give its path, such as "
            ".venv/bin/uvicorn; for an app give module:attribute, such as main:app"
        )
    reject_reload(command)


def reject_reload(command: AuditedCommand) -> None:
    """Raise UserError for a server that restarts the app, which would reset the measurement."""
    argv = command.argv
    if any(map(RELOAD.fullmatch, argv)):
        typed = shlex.join(each for each in argv if not RELOAD.fullmatch(each))
        raise UserError(f"--reload restarts the app while it is measured; run {typed}")
    for at, (program, word) in enumerate(pairwise(argv)):
        if Path(program).name == "fastapi" and word == "dev":
            typed = shlex.join((*argv[: at + 1], "run", *argv[at + 2 :]))
            raise UserError(f"fastapi dev restarts the app while it is measured; run {typed}")


def find_program(command: AuditedCommand) -> Path | None:
    """Find the program as the system does: on PATH, or by a path from the command's folder."""
    name = command.argv[0]
    found = shutil.which(str(command.folder / name) if os.sep in name else name)
    return Path(found).absolute() if found and Path(found).is_file() else None


def find_interpreter(command: AuditedCommand) -> str | None:
    """Return the Python that runs the command, from its name or its shebang."""
    program = find_program(command)
    if program is None:
        return None
    named = (program.name, str(program)), *((Path(each).name, each) for each in read_head(program))
    return next((path for name, path in named if name.startswith(("python", "pypy"))), None)


def read_head(program: Path) -> Iterator[str]:
    """Yield the words of a script's shebang, and of its second line, which names the Python if its
    path is too long for the shebang."""
    with program.open("rb") as file:
        head = file.read(LONGEST_SHEBANG)
    if head.startswith(b"#!"):
        for line in head[2:].decode(errors="replace").splitlines()[:2]:
            yield from re.findall(r"[^\s'\"]+", line)


def warn_of_debugging(command: AuditedCommand | None) -> Iterator[str]:
    """Yield at most one sentence; none about a server that already runs."""
    given = {**os.environ, **dict(command.variables)} if command else {}
    if names := list_debugging(given):
        given_names = ", ".join(names)
        yield f"The service may be much slower than usual: its environment sets {given_names}."
