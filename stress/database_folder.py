"""Where the embedded PostgreSQL keeps its data: in a temporary folder, which the next run
removes if this one is killed.

PostgreSQL refuses to run as root, so root starts it as the user `nobody`, without any capability.
That user can't enter root's folders, nor a virtualenv in them. The data is in a folder that this
user may enter, and so is a copy of the programs, if necessary.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

NOBODY = 65534
PREFIX = "study-database-"
LOCK = "lock"
NOBODY_PREFIX = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
    "--bounding-set=-all", "--no-new-privs", "--pdeathsig=INT", "--",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DatabaseFolder:
    """lock: a descriptor. While it is open no other run removes the folder; the kernel closes it
    when this process ends, however it ends."""

    path: Path
    lock: int

    @property
    def data(self) -> Path:
        return self.path / "data"

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def create_database_folder() -> DatabaseFolder:
    """Remove those of killed runs first. Raises OSError."""
    remove_abandoned_folders()
    path = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = os.open(path / LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder = DatabaseFolder(path, lock)
    folder.data.mkdir()
    if os.geteuid() == 0:
        path.chmod(0o711)
        os.chown(folder.data, NOBODY, NOBODY)
    return folder


def remove_abandoned_folders() -> None:
    """Those of ours whose run has ended."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # its run removes it in this moment, or it is not ours
            if path.is_symlink() or path.stat().st_uid != os.geteuid():
                continue
            lock = os.open(path / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)


def provide_programs(programs: Path, folder: DatabaseFolder) -> Path:
    """Return the programs' folder, or that of a copy where nobody cannot enter it."""
    if os.geteuid() != 0 or all(may_enter(each) for each in programs.resolve().parents):
        return programs
    # the programs look for their libraries in a folder next to that of the package
    package, installation = programs.parents[1], programs.parent.name
    copy = folder.path / "programs"
    for part in (f"{package.name}/{installation}", f"{package.name}.libs"):
        if (package.parent / part).is_dir():
            left_out = shutil.ignore_patterns("include")
            shutil.copytree(package.parent / part, copy / part, ignore=left_out)
    for each in (copy, copy / package.name):
        each.chmod(0o755)
    return copy / package.name / installation / programs.name


def may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH)
