"""The queues that a call can wait in: limiters, semaphores and executors, each by a name that stays
the same where the app makes a new one for each request."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from weakref import ref

MOST_QUEUES = 500
"""Beyond so many at once they share a name."""


class Queue:
    """open: the calls that wait in it or have one of its threads."""

    def __init__(self, name: str, capacity: float) -> None:
        self.name = name
        self.capacity = capacity
        self.open: dict[object, None] = {}


class Queues:
    """By their owners, which are not kept alive. A new one that is asked for by a stack whose
    earlier one is gone takes over its name."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._known: dict[int, tuple[ref[object], Queue]] = {}
        self._free: dict[object, list[str]] = {}
        self._numbers = count(1)

    def find(self, owner: object) -> Queue | None:
        known = self._known.get(id(owner))
        return None if known is None else known[1]

    def add(self, owner: object, asker: object, capacity: float, name: str | None = None) -> Queue:
        """name: of a queue that has one; it is given a number otherwise."""
        free = self._free.get(asker)
        if free:
            name = free.pop()
        elif len(self._known) >= MOST_QUEUES:
            name = f"{self._kind} (more)"
        elif name is None:
            name = f"{self._kind} {next(self._numbers)}"
        queue = Queue(name, capacity)
        self._known[id(owner)] = (ref(owner, self._make_forget(id(owner), asker, name)), queue)
        return queue

    def _make_forget(self, key: int, asker: object, name: str) -> Callable[[object], None]:
        def forget(_: object) -> None:
            self._known.pop(key, None)
            if not name.endswith("(more)"):
                self._free.setdefault(asker, []).append(name)

        return forget
