"""The place of a stack: the innermost line of the user's own code, and the phase of the request."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import NamedTuple, Self

from analysis.findings.base import PlaceFields, ShownFrame
from analysis.findings.code_texts import parse_code
from analysis.findings.evidence import AuditEvidence, RouteCode, Stack, StackFrame
from analysis.findings.framework import (
    BOUNDARIES,
    INSTALLED,
    LIBRARY,
    PROBE,
    RUNNERS,
    BlockPhase,
)
from analysis.findings.phases import classify_phase, find_first, get_name, is_boundary

BY_THE_ROUTE: frozenset[BlockPhase] = frozenset(
    {"dependency", "endpoint", "response", "stream", "websocket", "background", "teardown"}
)
"""In these phases, a stack of library frames alone works for the route's own code."""
FRAMEWORKS = frozenset(module.partition(".")[0] for module, _ in BOUNDARIES)
MOST_FRAMES = 40
EXPRESSIONS = frozenset({"<lambda>", "<genexpr>", "<listcomp>", "<setcomp>", "<dictcomp>"})


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """file: relative to the user's folder; None if no code of the user's is known."""

    route: str | None
    phase: BlockPhase | None
    file: str | None = None
    line: int | None = None
    function: str | None = None

    @property
    def function_key(self) -> tuple[str | None, BlockPhase | None, str | None, str | None]:
        return self.route, self.phase, self.file, self.function

    @property
    def fields(self) -> PlaceFields:
        return PlaceFields(
            route=self.route,
            phase=self.phase,
            file=self.file,
            line=self.line,
            function=self.function,
        )


class CodePlace(NamedTuple):
    """file: relative to the user's folder."""

    file: str | None
    line: int | None
    function: str

    @classmethod
    def parse(cls, text: str, folder: str) -> Self:
        """Parse "file:first_line qualname", or a name alone."""
        found = parse_code(text)
        if found is None:
            return cls(None, None, shorten_function(text))
        return cls(shorten_file(found.file, folder), found.first_line, shorten_function(found.name))


def locate_code(code: StackFrame | RouteCode, folder: str) -> CodePlace:
    return CodePlace(
        shorten_file(code.file, folder), code.first_line, shorten_function(code.function)
    )


@dataclass(frozen=True, slots=True)
class LocatedStack:
    """own: the user's frame; None if the stack has only library frames. library: the library frames
    below it, innermost first. is_of_probe: the probe itself worked there."""

    place: BlockPlace
    own: StackFrame | None
    library: Stack
    stack: Stack
    is_of_probe: bool = False


class PlaceFinder:
    """Locates stacks from the user's folder and the code of the routes."""

    def __init__(self, folder: str, codes: Sequence[RouteCode]) -> None:
        self._folder = folder
        self._codes = codes
        self._own = find_own_packages(codes)

    def locate(self, stack: Stack, route: str | None, in_thread: bool = False) -> LocatedStack:
        """Locate a stack. The nearest boundary outwards from the user's innermost frame determines
        the phase. If a boundary comes first, the user's frames outside it only wait for it.
        in_thread: the stack is not of the loop's thread, so only an endpoint can be recognised."""
        if any(each.module.split(".")[0] == PROBE for each in stack):  # others have no such frame
            return LocatedStack(BlockPlace(route, None), None, (), stack, is_of_probe=True)
        frames = tuple(cut_at_runner(stack))
        own = find_first(frames, lambda each: not self.is_library(each.file))
        edge = find_first(frames, is_boundary)
        if own is not None and edge is not None and edge < own:
            own = None
        library, own = frames[:own], choose_line(frames, own)
        edge = find_first(frames, is_boundary, own or 0)
        route = self._check_route(frames, route)
        codes = [each for each in self._codes if each.route == route]
        phase: BlockPhase | None = classify_phase(frames, own, edge, codes)
        if in_thread and phase == "callback":
            phase = None
        shown = frames[:MOST_FRAMES]
        if own is not None:
            frame = frames[own]
            file = self.shorten_file(frame.file)
            place = BlockPlace(route, phase, file, frame.line, shorten_function(frame.function))
            return LocatedStack(place, frame, library, shown)
        place = BlockPlace(route, phase)
        if phase in BY_THE_ROUTE and len(codes) == 1 and codes[0].file:
            (code,) = codes
            function = shorten_function(code.function)
            file = self.shorten_file(code.file)
            place = BlockPlace(route, phase, file, code.first_line, function)
        return LocatedStack(place, None, frames[:edge], shown)

    def _check_route(self, frames: Stack, route: str | None) -> str | None:
        """Return the route of the endpoint on the stack if it contradicts the given one."""
        found = {
            code.route
            for frame in frames
            for code in self._codes
            if (frame.file, frame.first_line) == (code.file, code.first_line)
        }
        if not found or route in found:
            return route
        return found.pop() if len(found) == 1 else None

    def is_library(self, file: str) -> bool:
        """Return False for the service's own code, even if the service is an installed package."""
        return is_library(file) and not file.startswith(self._own)

    def shorten_file(self, file: str) -> str:
        return shorten_file(file, self._folder)

    def show_stack(self, stack: Stack) -> tuple[ShownFrame, ...]:
        return tuple(
            ShownFrame(each.module, self.shorten_file(each.file), each.line, each.function)
            for each in stack
        )


def build_finder(evidence: AuditEvidence) -> PlaceFinder:
    return PlaceFinder(evidence.record.folder, evidence.endpoints)


def find_own_packages(codes: Sequence[RouteCode]) -> tuple[str, ...]:
    """Return the installed packages that serve the routes, if no other code of the user's does: the
    paths of their folders, with a slash at the end, or of single modules."""
    files = [each.file for each in codes if each.file]
    if not all(map(is_library, files)):
        return ()
    found = {match[0]: match["package"] for file in files if (match := re.match(INSTALLED, file))}
    return tuple(sorted(path for path, name in found.items() if name not in FRAMEWORKS))


def cut_at_runner(stack: Stack) -> Iterator[StackFrame]:
    """Yield the frames of what the loop runs. The probe has already cut a loop written in Python;
    this cuts uvloop's frames."""
    for frame in stack:
        if (frame.module, get_name(frame)) in RUNNERS:
            return
        yield frame


def choose_line(frames: Stack, own: int | None) -> int | None:
    """Return the index of the frame whose line to show. A lambda or a generator expression belongs
    to the function that contains it, if that is on the stack. A recursive function that has just
    been entered is shown at the line of the call."""
    if own is None:
        return own
    inner = frames[own]
    if inner.function not in EXPRESSIONS:
        is_recursive = any(
            (outer.file, outer.first_line) == (inner.file, inner.first_line)
            for outer in frames[own + 1 : own + 2]
        )
        return own + 1 if is_recursive and inner.line == inner.first_line else own
    around = [
        place
        for place, each in enumerate(frames[: find_first(frames, is_boundary, own)])
        if each.file == inner.file and each.first_line <= inner.first_line
        if each.function not in EXPRESSIONS
    ]
    return max(around, key=lambda place: frames[place].first_line, default=own)


AWAY = "…/"
"""Without it, such a name could be that of another file in the user's folder."""


@lru_cache(maxsize=1024)
def shorten_file(file: str, folder: str) -> str:
    """Return a library's file below its packages' folder, or else a path relative to the user's
    folder, up to its siblings. Keep only the last names of a path further away, after AWAY: it may
    contain a person's name."""
    if file.startswith("<"):  # the interpreter's own: <frozen runpy>
        return file
    if is_library(file):
        return re.split(LIBRARY, file)[-1]
    relative = os.path.relpath(file, folder) if folder else f"/{file}"
    if relative.startswith(("../../", "/")):
        return AWAY + "/".join(PurePath(file).parts[-2:])
    return relative


def shorten_function(name: str) -> str:
    return name.rpartition("<locals>.")[2]


@lru_cache(maxsize=4096)
def is_library(file: str) -> bool:
    return re.search(LIBRARY, file) is not None
