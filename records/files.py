"""Files that are there whole or not at all."""

import os
from pathlib import Path

STREAMS = (Path("/dev"), Path("/dev/fd"), Path("/proc/self/fd"))
"""Folders of this process's streams, behind which a file may be that others write too."""
LEAST_ROOM = 1 << 17
"""Bytes."""


def write_whole(path: Path, content: str | bytes | memoryview) -> None:
    """Write another file and rename it: a full disk or a kill leaves the old file, or none. A link
    to a file stays one. A device is written as it is, and /dev/stdout after what is there. Raises
    OSError, also for a pipe that nothing reads, which would wait for ever."""
    is_stream = path.parent in STREAMS
    path = path.resolve() if path.is_symlink() and path.is_file() and not is_stream else path
    half = path.with_name(f"{path.name}.half")
    written = content.encode() if isinstance(content, str) else content
    if path.exists() and (is_stream or not path.is_file()):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_APPEND), "wb") as file:
            os.set_blocking(file.fileno(), True)
            file.write(written)
        return
    try:
        half.write_bytes(written)
        half.replace(path)
    except OSError:
        half.unlink(missing_ok=True)
        raise


def check_room(folder: Path) -> None:
    """Create the folder. Raises OSError if not even the beginning of a journal fits into it."""
    folder.mkdir(parents=True, exist_ok=True)
    room = folder / "room"
    try:
        room.write_bytes(bytes(LEAST_ROOM))
    finally:
        room.unlink(missing_ok=True)
