"""The labels of the corpus: what each route does to the event loop, as its author knows it.

A label is data beside its app: `apps/NAME_app.toml` speaks of `apps/NAME_app.py`. The line that
blocks carries a comment `# blocks: LABEL`, so that no number here goes stale.
"""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

APPS = Path(__file__).with_name("apps")
PHASES = (
    "startup", "middleware", "dependency", "endpoint", "response", "teardown", "background",
    "stream", "websocket", "exception-handler", "callback",
)  # fmt: skip
CAUSES = ("wait", "compute", "gil", "gc")
Function = ast.FunctionDef | ast.AsyncFunctionDef
MARKER = re.compile(r"#\s*blocks: ([\w-]+)$")


@dataclass(frozen=True, slots=True)
class Asking:
    """How a route is asked. method: GET, or WS for a websocket that sends one text."""

    method: str
    target: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """None for what runs without being asked, such as the lifespan."""
        method, _, target = text.partition(" ")
        return cls(method, target) if target else None


@dataclass(frozen=True, slots=True)
class BlockingLabel:
    """A place that blocks the loop.

    asking: None for the startup. route: the template with its mounts; None for the startup.
    phases, lines: any of them is right. inside: no line of the app's runs meanwhile, so any line of
    the function is right, and none. call: a word of the library call that blocks. seconds: of one
    execution, known by construction; None where only the app's own clock knows. once: in the
    process's life.
    """

    name: str
    app: str
    asking: Asking | None
    route: str | None
    phases: tuple[str, ...]
    file: str
    lines: tuple[int, ...]
    function: str
    call: str
    cause: str
    seconds: float | None
    once: bool
    inside: bool


@dataclass(frozen=True, slots=True)
class InnocentLabel:
    """A route that blocks nobody, however slow it is. why: what it does instead."""

    name: str
    app: str
    asking: Asking
    route: str
    why: str


@dataclass(frozen=True, slots=True)
class CorpusApp:
    """name: its module, such as waits_app; kind: what is special about it, in words."""

    name: str
    kind: str
    blocking: tuple[BlockingLabel, ...]
    innocent: tuple[InnocentLabel, ...]

    @property
    def labels(self) -> "tuple[BlockingLabel | InnocentLabel, ...]":
        return (*self.blocking, *self.innocent)

    @property
    def askings(self) -> tuple[Asking, ...]:
        """Each once, in the order of the labels."""
        found = [each.asking for each in self.labels if each.asking]
        return tuple(dict.fromkeys(found))


Entry = Mapping[str, str | float | bool | list[str]]


def load_corpus(only: Sequence[str] = ()) -> tuple[CorpusApp, ...]:
    """All apps, or those whose name or kind contains one of the words."""
    apps = [load_app(path) for path in sorted(APPS.glob("*_app.toml"))]
    wanted = [each.lower() for each in only]
    return tuple(
        app
        for app in apps
        if not wanted or any(word in f"{app.name} {app.kind}".lower() for word in wanted)
    )


def load_app(path: Path) -> CorpusApp:
    """Raises KeyError for a label whose marker is in no file."""
    data = tomllib.loads(path.read_text())
    blocking = tuple(build_blocking_label(path.stem, each) for each in data["blocks"])
    innocent = tuple(build_innocent_label(path.stem, each) for each in data["innocent"])
    return CorpusApp(path.stem, data["kind"], blocking, innocent)


def build_blocking_label(app: str, entry: Entry) -> BlockingLabel:
    name, file, phase = str(entry["name"]), str(entry.get("file", f"{app}.py")), entry.get("phase")
    asking = Asking.parse(str(entry["ask"]))
    seconds, inside = entry.get("seconds"), bool(entry.get("inside", False))
    lines = find_markers(file)[name]
    return BlockingLabel(
        name=name, app=app, asking=asking, route=get_route(entry, asking),
        phases=tuple(phase) if isinstance(phase, list) else (str(phase or "endpoint"),),
        file=file, lines=find_lines_of_function(file, lines[0]) if inside else lines,
        function=str(entry["function"]), call=str(entry["call"]),
        cause=str(entry.get("cause", "wait")),
        seconds=float(seconds) if isinstance(seconds, float) else None,
        once=bool(entry.get("once", False)), inside=inside,
    )  # fmt: skip


def build_innocent_label(app: str, entry: Entry) -> InnocentLabel:
    asking = Asking.parse(str(entry["ask"]))
    route = get_route(entry, asking)
    if asking is None or route is None:
        raise ValueError(f"{entry['name']}: an innocent route is asked")
    return InnocentLabel(str(entry["name"]), app, asking, route, str(entry["why"]))


def get_route(entry: Entry, asking: Asking | None) -> str | None:
    """The path as it is asked, where the label gives no template."""
    if "route" in entry:
        return str(entry["route"])
    return asking.target.partition("?")[0] if asking else None


@cache
def find_markers(file: str) -> Mapping[str, tuple[int, ...]]:
    """The lines of a file that carry a label's marker, by label."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate((APPS / file).read_text().splitlines(), 1):
        if marker := MARKER.search(line):
            found[marker[1]].append(number)
    return {name: tuple(lines) for name, lines in found.items()}


def find_lines_of_function(file: str, line: int) -> tuple[int, ...]:
    """Of the innermost function around a line, its decorators included."""
    around = find_innermost_function(file, line)
    if around is None:
        return (line,)
    first = min([around.lineno, *(each.lineno for each in around.decorator_list)])
    return tuple(range(first, (around.end_lineno or line) + 1))


def find_innermost_function(file: str, line: int) -> Function | None:
    around = [
        node
        for node in ast.walk(ast.parse((APPS / file).read_text()))
        if isinstance(node, Function) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return max(around, key=lambda node: node.lineno, default=None)
