"""The queues that a call can wait in: limiters, semaphores and executors, each by a name that stays
the same where the app makes a new one for each request."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from weakref import ref

from .journal import MORE

MOST_QUEUES = 500
"""Beyond so many at once they share a name."""


class Queue:
    """open: the calls that wait in it or have one of its threads."""

    def __init__(self, name: str, capacity: float) -> None:
        self.name = name
        self.capacity = capacity
        self.open: dict[object, None] = {}


class Queues:
    """By their owners, which are not kept alive. No two that live have the same name; a new one
    that is asked for by a stack whose earlier one is gone takes over its name."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._known: dict[int, tuple[ref[object], Queue]] = {}
        self._free: dict[object, list[str]] = {}
        self._names: set[str] = set()

    def find(self, owner: object) -> Queue | None:
        known = self._known.get(id(owner))
        return None if known is None else known[1]

    def add(
        self,
        owner: object,
        asker: object,
        capacity: float,
        name: str = "",
        *,
        is_only: bool = False,
    ) -> Queue:
        """name: of a queue that has one; it is given a number otherwise, or where it is taken.
        is_only: there is no other with the name."""
        if not is_only:
            name = self._find_name(asker, name)
        try:
            end = ref(owner, self._make_forget(id(owner), asker, None if is_only else name))
        except TypeError:  # its class lets nobody know of its end
            return Queue(f"{self._kind} {MORE}", capacity)
        self._known[id(owner)] = (end, queue := Queue(name, capacity))
        return queue

    def _find_name(self, asker: object, wanted: str) -> str:
        free = self._free.get(asker)
        if free:
            return free.pop()
        if len(self._names) >= MOST_QUEUES:
            return f"{self._kind} {MORE}"
        numbered = (f"{wanted or self._kind} {number}" for number in count(2 if wanted else 1))
        names = chain([wanted], numbered) if wanted else numbered
        name = next(each for each in names if each not in self._names)
        self._names.add(name)
        return name

    def _make_forget(self, key: int, asker: object, name: str | None) -> Callable[[object], None]:
        def forget(_: object) -> None:
            self._known.pop(key, None)
            if name is not None and not name.endswith(MORE):
                self._free.setdefault(asker, []).append(name)

        return forget
