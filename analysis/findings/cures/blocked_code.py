"""Code that blocks the event loop, as its cure needs it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from analysis.findings.base import ShownFrame
from analysis.findings.blocks.calls import name_call
from analysis.findings.blocks.causes import Cause
from analysis.findings.blocks.shares import (
    StretchShare,
    choose_cause,
    choose_heaviest,
    list_times,
    show_stack,
    sum_by_stretch,
)
from analysis.findings.places import BlockPlace, PlaceFinder, shorten_function

MAKE_TLS = ("create_default_context", "create_ssl_context")
CREATES = ("__init__", "__new__", "create_client", *MAKE_TLS)
"""Functions whose caller creates an object; another one creates it for one call only."""
ONE_AT_A_TIME = frozenset({"smtplib", "imaplib", "poplib", "ftplib", "http", "pymysql", "pg8000"})
"""Packages whose objects are single connections, which requests cannot share."""


@dataclass(frozen=True, slots=True)
class BlockedCode:
    """stack: innermost first. block_ms: median per request. unseen_share: of the time, without the
    GIL for any other thread."""

    place: BlockPlace
    stack: Sequence[ShownFrame]
    cause: Cause
    call: str | None
    block_ms: float
    unseen_share: float

    @classmethod
    def from_shares(
        cls, place: BlockPlace, shares: Sequence[StretchShare], finder: PlaceFinder
    ) -> Self:
        cause = choose_cause(shares)
        stretches = [each for each, _ in sum_by_stretch(shares)]
        length_s = sum(each.clocks.length_s for each in stretches)
        unseen_s = sum(each.clocks.unseen_s or 0.0 for each in stretches)
        return cls(
            place=place,
            stack=show_stack(shares, finder),
            cause=cause,
            call=choose_heaviest((name_call(each.located, cause), each.seconds) for each in shares),
            block_ms=1000 * median(list_times(shares)),
            unseen_share=unseen_s / length_s if length_s else 0.0,
        )

    @property
    def own_index(self) -> int | None:
        """The index of the place's frame; None if the stack does not contain it."""
        for index, frame in enumerate(self.stack):
            if (frame.file, shorten_function(frame.function)) == (
                self.place.file,
                self.place.function,
            ):
                return index
        return None

    @property
    def callee(self) -> ShownFrame | None:
        """What the place's line calls; None for C code."""
        index = self.own_index
        return self.stack[index - 1] if index else None

    @property
    def callee_name(self) -> str | None:
        return shorten_name(self.callee.function) if self.callee else None

    @property
    def inner(self) -> Sequence[ShownFrame]:
        """The frames that the place calls, innermost first."""
        return self.stack[: self.own_index or 0]

    @property
    def callers(self) -> Sequence[ShownFrame]:
        """The frames around the place, innermost first."""
        index = self.own_index
        return () if index is None else self.stack[index + 1 :]

    @property
    def is_of_endpoint(self) -> bool:
        """Whether a trial can move it to a thread."""
        return self.place.phase == "endpoint" and self.place.route is not None

    @property
    def makes_context(self) -> bool:
        """Whether a TLS context is created below the place."""
        return any(shorten_name(each.function) in MAKE_TLS for each in self.inner)

    @property
    def makes_client(self) -> bool:
        """Whether the line itself creates a TLS context, or an object with one, as every new client
        has. A call such as httpx.get creates it for itself."""
        packages = {each.module.partition(".")[0] for each in self.inner}
        is_kept = self.callee_name in CREATES and not packages & ONE_AT_A_TIME
        return self.makes_context and is_kept

    @property
    def package(self) -> str:
        """The package of the blocking call."""
        module = self.callee.module if self.callee else self.call or ""
        return module.partition(".")[0]


def shorten_name(name: str) -> str:
    """Return the name without its class and the enclosing functions."""
    return name.rpartition(".")[2]
