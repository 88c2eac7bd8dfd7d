"""The folder in which the probe of an audited service writes. A service that an administrator
starts may go on as another user, which the audit cannot know."""

import os
import stat
from pathlib import Path
from secrets import token_hex

import psutil

OPEN = 0o733
"""Each user may create files, and replace what the service wrote before it changed its user. Others
cannot find the folder: its name is random, and the folder around it cannot be listed."""


def open_probe_folder(raw: Path) -> Path:
    """Create a folder in `raw`: for root, one that each user who knows its name can write to."""
    folder = raw / f"probe-{token_hex(16)}"
    folder.mkdir()
    if os.geteuid() == 0:
        raw.chmod(0o711)
        folder.chmod(OPEN)
    return folder


def close_probe_folder(folder: Path) -> None:
    """Give it and the folder around it the mode of the audit's other folders."""
    raw = folder.parent
    for each in (folder, raw):
        each.chmod(stat.S_IMODE(raw.parent.stat().st_mode))


def find_denied(process: psutil.Process, folder: Path) -> Path | None:
    """Return the first folder on the way to this one that the process's user may not enter; None
    for a process of this user. Raises psutil.Error, OSError."""
    user, group = process.uids().effective, process.gids().effective
    if user == os.geteuid():
        return None
    paths = (*reversed(folder.parents), folder)
    return next((each for each in paths if not may_enter(each.stat(), user, group)), None)


def may_enter(folder: os.stat_result, user: int, group: int) -> bool:
    """Judge by the folder's mode alone: further groups of the user are not known."""
    if user == 0:
        return True
    if user == folder.st_uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    return bool(folder.st_mode & (stat.S_IXGRP if group == folder.st_gid else stat.S_IXOTH))
