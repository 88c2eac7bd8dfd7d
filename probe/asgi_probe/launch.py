"""`python -m asgi_probe run -- COMMAND`: starts a service with the probe, in this very process."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from json import loads
from pathlib import Path
from time import gmtime, strftime

from .attach_report import DIRECTORY_VARIABLE
from .clocks import monotonic
from .command_words import hide_values
from .encode_json import encode_json
from .errors import UsageError, print_message
from .journal_files import LAUNCH_FILE, has_starts, is_later_start

SITE_FOLDER = Path(__file__).resolve().parent / "site"
NO_COMMAND = "no command; give it after --: python -m asgi_probe run -- uvicorn main:app"
FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
OWN_FILES = re.compile(r"\..*|attach-\d+(-[\d.]+)?\.(json|part)")
"""Also hidden files, such as .gitkeep."""
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFZ", "SIGXFSZ")


def launch(command: list[str], directory: Path | None, variables: Mapping[str, str]) -> None:
    """Replace this process by the command, with the probe in each Python process that it starts.

    The process keeps its pid, so signals and the exit code are the command's own. The journals go
    to `directory`, or to a new folder `asgi-probe-<UTC time>`. If it has journals of an earlier
    start, such as those of a restarted container, they go to a new folder inside of it. Under
    `study audit` or another launcher, they go to the folder of that one. variables: more
    environment variables. Raises UsageError, also for a folder of the user's own files; a full disk
    is none: the service must start.
    """
    program = shutil.which(command[0]) if command else None
    if program is None:
        raise UsageError(f"{command[0]!r} is not a program" if command else NO_COMMAND)
    if outer := os.environ.get(DIRECTORY_VARIABLE):
        said, environment = f"the outer probe writes to {outer}", {**os.environ, **variables}
    else:
        folder = choose_folder(directory)
        said, environment = prepare_folder(folder, command), build_environment(folder, variables)
    print_message(said)
    restore_signals()
    try:
        os.execve(program, command, environment)
    except OSError as error:
        raise UsageError(f"{program}: {error.strerror}") from error


def choose_folder(directory: Path | None) -> Path:
    stamp = strftime("%Y%m%dT%H%M%SZ", gmtime())
    folder = (directory or Path(f"asgi-probe-{stamp}")).absolute()
    if directory is None:
        try:
            return create_folder(folder)
        except OSError:  # such as a full disk: `prepare_folder` says so
            return folder
    while has_starts(folder):
        folder /= stamp
    return folder


def create_folder(wanted: Path) -> Path:
    """Create the folder, or one of a similar name for a second start in the same second. Raises
    OSError."""
    folder, number = wanted, 1
    while True:
        with suppress(FileExistsError):
            folder.mkdir()
            return folder
        number += 1
        folder = wanted.with_name(f"{wanted.name}-{number}")


def prepare_folder(folder: Path, command: Sequence[str]) -> str:
    """Note the start; return a sentence on where the records are. Raises UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inherit_owner(folder)
        check_own(folder)
        (folder / LAUNCH_FILE).write_bytes(encode_json(describe_launch(command)))
    except OSError as error:
        if error.errno not in FULL_DISK:
            raise UsageError(f"{folder}: {error.strerror}") from error
        return f"{folder}: {error.strerror}; the service starts, and may not be recorded"
    return f"writes to {folder}"


def inherit_owner(folder: Path) -> None:
    """Give the folder of a later start the owner of the one around it: a service that root starts
    may go on as that user."""
    if os.geteuid() == 0 and is_later_start(folder):
        owner = folder.parent.stat()
        os.chown(folder, owner.st_uid, owner.st_gid, follow_symlinks=False)


def check_own(folder: Path) -> None:
    """Raise UsageError for a folder with the user's files, unless an earlier start noted itself in
    it: the service may write its log there."""
    noted = folder / LAUNCH_FILE
    files = [each.name for each in folder.iterdir() if each.is_file() or each == noted]
    others = [name for name in files if not OWN_FILES.fullmatch(name)]
    if LAUNCH_FILE in others:
        others = [] if is_noted(noted) else [LAUNCH_FILE]
    if others:
        raise UsageError(
            f"{folder} has other files, such as {min(others)}; name a folder for the journals "
            f"alone: --directory {folder / 'asgi-probe'}"
        )


def is_noted(file: Path) -> bool:
    if not file.is_file():  # a pipe would make it wait for ever
        return False
    try:
        content = loads(file.read_bytes())
    except (ValueError, RecursionError):
        return not file.stat().st_size  # an earlier start on a full disk
    return isinstance(content, dict) and isinstance(content.get("launch"), int)


def build_environment(folder: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment, with the probe's folder first on PYTHONPATH."""
    path = os.pathsep.join(filter(None, (str(SITE_FOLDER), os.environ.get("PYTHONPATH"))))
    return {**os.environ, **variables, "PYTHONPATH": path, DIRECTORY_VARIABLE: str(folder)}


def describe_launch(command: Sequence[str]) -> dict[str, object]:
    """Return what `study report` shows of the start."""
    return {
        "launch": 1,
        "command": hide_values(command, Path.cwd()),
        "folder": str(Path.cwd()),
        "started_utc": strftime("%Y-%m-%dT%H:%M:%S+00:00", gmtime()),
        "t0_s": monotonic(),
        "os": f"{os.uname().sysname} {os.uname().release}",
        "machine": os.uname().machine,
        "cores": os.cpu_count(),
    }


def restore_signals() -> None:
    """Python ignores these signals, and a started program inherits that."""
    for name in IGNORED_BY_PYTHON:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
