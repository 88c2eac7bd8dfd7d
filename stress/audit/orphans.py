"""Finds the processes of a program that went to the background: their parents have ended."""

import contextlib
import ctypes
import os
import sys
from collections.abc import Collection

import psutil

from stress.processes import started

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans(adopts: bool) -> None:
    """Become the parent of each descendant whose parent ends, instead of process 1 (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(adopts), 0, 0, 0)


def list_children() -> frozenset[psutil.Process]:
    return frozenset(psutil.Process().children())


def list_orphans(leader: int, strangers: Collection[psutil.Process]) -> list[psutil.Process]:
    """List the adopted processes of the started program `leader`, with their descendants.

    strangers: children of this process from before the start. What this process starts itself is in
    its own session, or in that of a program in `started`.
    """
    others = {os.getsid(0), *started} - {leader}
    found: list[psutil.Process] = []
    for each in list_children() - {*strangers}:
        with contextlib.suppress(psutil.Error, OSError):
            if each.pid == leader or os.getsid(each.pid) in others:
                continue
            if each.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(each.pid, os.WNOHANG)
            else:
                found += [each, *each.children(recursive=True)]
    return found
