"""Files that are there whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.errors import WRONG_USE, build_write_error

STREAMS = (Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders of this process's own descriptors."""
LEAST_ROOM = 1 << 17
"""Bytes."""


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write another file and rename it: a full disk or a kill leaves the old file, or none. A link
    to a file stays one. A device is written as it is; a file behind /dev/stdout, where this process
    stands in it. Raises OSError, also for a pipe that nothing reads, which would wait for ever."""
    written = content.encode() if isinstance(content, str) else content
    if path.is_file() and (own := find_descriptor(path)) is not None:
        with os.fdopen(os.dup(own), "wb") as file:
            file.write(written)
        return
    path = path.resolve() if path.is_symlink() and path.is_file() else path
    half = path.with_name(f"{path.name}.half")
    if path.exists() and not path.is_file():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_NONBLOCK), "wb") as file:
            os.set_blocking(file.fileno(), True)
            file.write(written)
        return
    try:
        half.write_bytes(written)
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise


@contextmanager
def translate_file_errors(named: str) -> Iterator[None]:
    """Raise UserError if a file that the user names cannot be written. named: with its option."""
    try:
        yield
    except OSError as error:
        why = f"{named}: can't be written: {error.strerror or error}"
        raise build_write_error(error, why, WRONG_USE) from error


def find_descriptor(path: Path) -> int | None:
    """Return the descriptor that /dev/stdout or /dev/fd/3 names, None for any other path."""
    target = path.readlink() if path.is_symlink() and path.parent == Path("/dev") else path
    is_own = target.parent in STREAMS and target.name.isdecimal()
    return int(target.name) if is_own else None


def check_room(folder: Path) -> None:
    """Create the folder. Raises OSError if not even the beginning of a journal fits into it."""
    folder.mkdir(parents=True, exist_ok=True)
    room = folder / "room"
    try:
        room.write_bytes(bytes(LEAST_ROOM))
    finally:
        room.unlink(missing_ok=True)
