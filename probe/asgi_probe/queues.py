"""Queues that a call can wait in: limiters, semaphores and executors. Their names stay the same
even if the app creates a new one per request."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain, count
from weakref import ref

from .journal import MORE

MOST_QUEUES = 500
"""Maximum of live queues with a name of their own; the remaining ones share a name."""


class Queue:
    """One queue. open: the calls that wait in it or run on one of its threads."""

    def __init__(self, name: str, capacity: float) -> None:
        self.name = name
        self.capacity = capacity
        self.open: dict[object, None] = {}


class Queues:
    """Queues by owner, without keeping the owners alive. Live queues have distinct names. A new
    owner used by the same stack as a dead one reuses the dead one's name."""

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
        name: str | Callable[[], str] = "",
        *,
        is_only: bool = False,
    ) -> Queue:
        """Add a queue. name: its own name, if any, or what searches for it, only if a new one is
        needed; without one, or if it is taken, a number makes the name unique. is_only: no other
        queue has this name."""
        if not (is_only and isinstance(name, str)):
            name = self._find_name(asker, name)
        try:
            end = ref(owner, self._make_forget(id(owner), asker, None if is_only else name))
        except TypeError:  # its class does not support weak references
            return Queue(f"{self._kind} {MORE}", capacity)
        self._known[id(owner)] = (end, queue := Queue(name, capacity))
        return queue

    def _find_name(self, asker: object, name: str | Callable[[], str]) -> str:
        free = self._free.get(asker)
        if free:
            return free.pop()
        if len(self._names) >= MOST_QUEUES:
            return f"{self._kind} {MORE}"
        wanted = name if isinstance(name, str) else name()
        numbered = (f"{wanted or self._kind} {number}" for number in count(2 if wanted else 1))
        names = chain([wanted], numbered) if wanted else numbered
        found = next(each for each in names if each not in self._names)
        self._names.add(found)
        return found

    def _make_forget(self, key: int, asker: object, name: str | None) -> Callable[[object], None]:
        # read now: at the interpreter's end, a module's names may be gone before its objects
        is_shared = name is None or name.endswith(MORE)

        def forget(_: object) -> None:
            self._known.pop(key, None)
            if name is not None and not is_shared:
                self._free.setdefault(asker, []).append(name)

        return forget
