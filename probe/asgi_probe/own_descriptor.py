"""Descriptors that stay open for long.

An app may close descriptors that it does not know, as a daemon does. The next file that it opens
then gets the number of one of ours, and whatever is done with the number is done to the app's file.
"""

from __future__ import annotations

import os
import socket
import weakref
from errno import EBADF


class ClosedByAppError(OSError):
    """The number no longer stands for what was opened."""

    def __init__(self) -> None:
        super().__init__(EBADF, "the app has closed a descriptor of the probe")


class OwnDescriptor:
    def __init__(self, number: int) -> None:
        self.number = number
        self._identity = identify(number)

    def is_own(self) -> bool:
        return is_still(self.number, self._identity)

    def check(self) -> None:
        """Raises ClosedByAppError."""
        if not self.is_own():
            raise ClosedByAppError


class OwnFile(OwnDescriptor):
    """A file that is closed when it is no longer used, as in a forked child."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self._finalizer = weakref.finalize(self, close_if_own, number, self._identity)
        self._finalizer.atexit = False  # the process closes it

    def write(self, content: bytes) -> int:
        """Raises OSError."""
        self.check()
        return os.write(self.number, content)

    def is_removed(self) -> bool:
        """Return True if no name leads to the file: what is written to it is lost."""
        return self.is_own() and not os.fstat(self.number).st_nlink

    def close(self) -> None:
        """Safe to call twice. Raises OSError, as on a full disk of another machine."""
        self._finalizer()


class OwnSocket(OwnDescriptor):
    def __init__(self, connection: socket.socket) -> None:
        super().__init__(connection.fileno())
        self.connection = connection

    def send(self, content: bytes) -> None:
        """Raises OSError."""
        self.check()
        self.connection.sendall(content)

    def close(self) -> None:
        """Safe to call twice."""
        if not self.is_own():
            self.connection.detach()
        self.connection.close()


def close_if_own(number: int, identity: tuple[int, int]) -> None:
    if is_still(number, identity):
        os.close(number)


def is_still(number: int, identity: tuple[int, int]) -> bool:
    try:
        return identify(number) == identity
    except OSError:
        return False


def identify(number: int) -> tuple[int, int]:
    """Return the device and inode of an open file or socket. Raises OSError."""
    facts = os.fstat(number)
    return facts.st_dev, facts.st_ino
