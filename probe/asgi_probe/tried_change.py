"""What becomes of a change that an audit tries without editing the service."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable

from .routes import Scope

Update = Callable[..., None]


class TriedChange:
    """`applied`: the process got to it. `invalid`: why it measures nothing, a clause for people.
    `warnings`: likewise, what may go wrong in the service though the change measures well."""

    def __init__(self, unused: str, update: Update) -> None:
        """unused: why it measures nothing as long as it is not applied. update: of the process's
        report, where it is `trial`."""
        self.applied = False
        self.invalid: str | None = unused
        self.warnings: list[str] = []
        self._update = update
        self.write()

    def apply(self, loop: AbstractEventLoop, *, serves: bool) -> None:
        """Call on the loop for each scope. serves: it is a request, so the app's startup is over:
        what the app has set then gives way to the trial, what it sets later makes it invalid."""

    def look_back(self, scope: Scope) -> None:
        """Call when the app has returned."""

    def note_applied(self) -> None:
        if not self.applied:
            self.applied, self.invalid = True, None
            self.write()

    def reject(self, reason: str) -> None:
        """The first reason stays."""
        if not self.applied or self.invalid is None:
            self.applied, self.invalid = True, reason
            self.write()

    def write(self) -> None:
        self._update(
            trial={"applied": self.applied, "invalid": self.invalid, "warnings": self.warnings}
        )
