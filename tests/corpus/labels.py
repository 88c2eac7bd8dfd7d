"""The labels of the corpus: what each route blocks and waits for, as its author knows.

Labels are data next to their app: `apps/NAME_app.toml` describes `apps/NAME_app.py`. Comments mark
the lines, so that no line number goes stale: `# blocks: LABEL` for code that blocks the loop,
`# waits: LABEL` for any other finding, and `# holds: NAME` for code that holds a thread.
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
    "stream", "websocket", "exception-handler", "callback", "file",
)  # fmt: skip
CAUSES = ("wait", "compute", "gil", "gc")
Function = ast.FunctionDef | ast.AsyncFunctionDef
MARKER = re.compile(r"#\s*(?:blocks|waits): ([\w-]+)$")
HOLDER_MARKER = re.compile(r"#\s*holds: ([\w-]+)$")
LOOP_BLOCKED = "LOOP_BLOCKED"
CODES = (
    LOOP_BLOCKED, "POOL_WAIT", "EXECUTOR_WAIT", "POOL_DEADLOCK", "THREADS_PINNED", "TRIVIAL_DEF",
    "CLIENT_PER_REQUEST", "MIDDLEWARE_COST", "ANSWER_DELAYED", "BACKGROUND_BACKLOG",
    "THREAD_GROWTH", "LIMITER_SIZE",
)  # fmt: skip
"""Findings of the audit that the corpus plants."""
WAITS = ("POOL_WAIT", "EXECUTOR_WAIT")
"""Findings whose seconds are those that requests waited; each has a holder."""
CONTENDED = (*WAITS, "POOL_DEADLOCK", "BACKGROUND_BACKLOG")
"""Findings that need several users: with one user almost nothing waits."""
TIMED = (LOOP_BLOCKED, *WAITS, "THREADS_PINNED", "ANSWER_DELAYED")
"""Findings whose seconds the app's own clock measures."""
BLOCKED_ASPECTS = ("detected", "route", "line", "cause", "phase", "seconds")
ASPECTS = (*BLOCKED_ASPECTS, "holder", "words")
"""Aspects that a report can have right."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How a route is called. method: GET, or WS for a WebSocket that sends one text."""

    method: str
    target: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse `METHOD path`; None for code that runs without a request, such as the lifespan."""
        method, _, target = text.partition(" ")
        return cls(method, target) if target else None


@dataclass(frozen=True, slots=True)
class HolderLabel:
    """Code that holds most of the threads while other calls wait. lines: those of its function."""

    route: str
    file: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BlockingLabel:
    """A place that blocks the loop, or does what another finding of the audit names.

    code: the finding's code. asking: None for the startup. route: the template with its mounts;
    None for the startup. phases, lines: any of them is right. inside: no line of the app runs at
    that time, so any line of the function is right, or none; always for codes except LOOP_BLOCKED.
    call: a word of the library call that blocks. seconds: of one run, known by construction; None
    if only the app's own clock knows. once: once per process. words: the finding's message must
    contain them, such as a pool's size. lines, function: empty for a finding about the process.
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
    code: str = LOOP_BLOCKED
    holder: HolderLabel | None = None
    words: tuple[str, ...] = ()

    @property
    def aspects(self) -> tuple[str, ...]:
        """The aspects that a report of this label must have right. Codes except LOOP_BLOCKED imply
        their cause; a middleware layer may serve several routes."""
        if self.code == LOOP_BLOCKED:
            return BLOCKED_ASPECTS
        known = {
            "detected": True,
            "route": self.route is not None and self.code != "MIDDLEWARE_COST",
            "line": bool(self.lines),
            "phase": bool(self.phases),
            "seconds": self.code in TIMED,
            "holder": self.holder is not None,
            "words": bool(self.words),
        }
        return tuple(aspect for aspect, is_known in known.items() if is_known)


@dataclass(frozen=True, slots=True)
class InnocentLabel:
    """A route that no finding may accuse, except what a label of the same route says, however slow
    it is or full a pool. why: what it does instead."""

    name: str
    app: str
    asking: Asking
    route: str
    why: str


@dataclass(frozen=True, slots=True)
class CorpusApp:
    """name: its module, such as waits_app; kind: its special property, in words."""

    name: str
    kind: str
    blocking: tuple[BlockingLabel, ...]
    innocent: tuple[InnocentLabel, ...]

    @property
    def labels(self) -> "tuple[BlockingLabel | InnocentLabel, ...]":
        return (*self.blocking, *self.innocent)

    @property
    def askings(self) -> tuple[Asking, ...]:
        """Each value once, in the order of the labels."""
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
    """Load an app's labels. Raises KeyError for a label whose marker is in no file."""
    data = tomllib.loads(path.read_text())
    blocking = tuple(build_blocking_label(path.stem, each) for each in data["blocks"])
    innocent = tuple(build_innocent_label(path.stem, each) for each in data["innocent"])
    return CorpusApp(path.stem, data["kind"], blocking, innocent)


def build_blocking_label(app: str, entry: Entry) -> BlockingLabel:
    name, file = str(entry["name"]), str(entry.get("file", f"{app}.py"))
    asking, code = Asking.parse(str(entry["ask"])), str(entry.get("code", LOOP_BLOCKED))
    inside = bool(entry.get("inside", code != LOOP_BLOCKED))
    seconds = entry.get("seconds")
    lines = find_markers(file)[name] if "function" in entry else ()
    return BlockingLabel(
        name=name, app=app, asking=asking, route=get_route(entry, asking),
        phases=get_texts(entry, "phase", "endpoint"), file=file,
        lines=find_lines_of_function(file, lines[0]) if inside and lines else lines,
        function=str(entry.get("function", "")), call=str(entry.get("call", "")),
        cause=str(entry.get("cause", "wait")),
        seconds=float(seconds) if isinstance(seconds, float) else None,
        once=bool(entry.get("once", False)), inside=inside, code=code,
        holder=build_holder_label(file, entry), words=get_texts(entry, "words"),
    )  # fmt: skip


def build_holder_label(file: str, entry: Entry) -> HolderLabel | None:
    """Build the label from `ROUTE NAME`, with the name in the holder's marker."""
    if "holder" not in entry:
        return None
    route, _, name = str(entry["holder"]).partition(" ")
    (line,) = find_markers(file, HOLDER_MARKER)[name]
    return HolderLabel(route, file, find_lines_of_function(file, line))


def get_texts(entry: Entry, key: str, default: str | None = None) -> tuple[str, ...]:
    """Return the texts of a key that has a list or a single text."""
    value = entry.get(key, default)
    if isinstance(value, list):
        return tuple(value)
    return () if value is None else (str(value),)


def build_innocent_label(app: str, entry: Entry) -> InnocentLabel:
    asking = Asking.parse(str(entry["ask"]))
    route = get_route(entry, asking)
    if asking is None or route is None:
        raise ValueError(f"{entry['name']}: an innocent route is asked")
    return InnocentLabel(str(entry["name"]), app, asking, route, str(entry["why"]))


def get_route(entry: Entry, asking: Asking | None) -> str | None:
    """Return the path as requested, unless the label gives a template."""
    if "route" in entry:
        return str(entry["route"])
    return asking.target.partition("?")[0] if asking else None


@cache
def find_markers(file: str, marker: re.Pattern[str] = MARKER) -> Mapping[str, tuple[int, ...]]:
    """Return the lines of a file with such a marker, by the name in it."""
    found: dict[str, list[int]] = defaultdict(list)
    for number, line in enumerate((APPS / file).read_text().splitlines(), 1):
        if name := marker.search(line):
            found[name[1]].append(number)
    return {name: tuple(lines) for name, lines in found.items()}


def find_lines_of_function(file: str, line: int) -> tuple[int, ...]:
    """Return the span of the innermost function around a line, with its decorators."""
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
