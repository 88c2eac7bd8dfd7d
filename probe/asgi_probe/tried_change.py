"""The outcome of a change that an audit tries without editing the service."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable

from .routes import Scope

Update = Callable[..., None]


class TriedChange:
    """A tried change. `applied`: it was applied or rejected. `invalid`: the reason why it measures
    nothing, as a clause. `warnings`: hazards of a valid change for the service, as clauses."""

    def __init__(self, unused: str, update: Update) -> None:
        """unused: the reason that applies until the change is applied. update: updates `trial` in
        the process's report."""
        self.applied = False
        self.invalid: str | None = unused
        self.warnings: list[str] = []
        self._update = update
        self.write()

    def apply(self, loop: AbstractEventLoop, *, serves: bool) -> None:
        """Apply the change. Call on the loop for each scope. serves: the scope is a request, so
        startup is over: the trial overrides what the app has set, and later settings void it."""

    def look_back(self, scope: Scope) -> None:
        """Call when the app has returned."""

    def note_applied(self) -> None:
        if not self.applied:
            self.applied, self.invalid = True, None
            self.write()

    def reject(self, reason: str) -> None:
        """Make the trial invalid; only the first reason is kept."""
        if not self.applied or self.invalid is None:
            self.applied, self.invalid = True, reason
            self.write()

    def write(self) -> None:
        self._update(
            trial={"applied": self.applied, "invalid": self.invalid, "warnings": self.warnings}
        )
