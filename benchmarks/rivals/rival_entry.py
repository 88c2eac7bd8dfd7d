"""The app RIVAL_TARGET with the detector RIVAL, attached as its documentation says. The reports go
to the file RIVAL_LOG as JSON lines. The interpreter has the detectors and nothing of this project.
"""

import importlib
import json
import logging
import os
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any, Protocol

THRESHOLD_S = 0.05
"""For every detector that takes one: at least half of the shortest work of the corpus."""
APPS = Path(os.environ["RIVAL_APPS"])
LOG = Path(os.environ["RIVAL_LOG"])
ENTRIES: SimpleQueue[dict[str, object]] = SimpleQueue()
PATH: ContextVar[str | None] = ContextVar("PATH", default=None)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Frame = tuple[str, int, str]


class SlowTask(Protocol):
    """The attributes of aiocop's event that are used."""

    elapsed_ms: float
    exceeded_threshold: bool
    blocking_events: list[dict[str, str]]
    cpu_stack_samples: list[dict[str, str]]
    context: dict[str, str | None]


def report(seconds: float | None, frames: Iterable[Frame] = (), path: str | None = None) -> None:
    """frames: outermost first; the place is the innermost frame of the app."""
    own = [each for each in frames if Path(each[0]).parent == APPS]
    file, line, function = own[-1] if own else (None, None, None)
    entry = {"at_s": monotonic(), "seconds": seconds, "path": path, "file": file, "line": line}
    ENTRIES.put({**entry, "function": function})


def write_entries() -> None:
    """Write in a separate thread: a detector would report a file that the loop writes."""
    with LOG.open("a") as output:
        while True:
            output.write(json.dumps(ENTRIES.get()) + "\n")
            output.flush()


def read_frames(stack: Iterable[traceback.FrameSummary]) -> list[Frame]:
    return [(each.filename, each.lineno or 0, each.name) for each in stack]


def remember_path(app: App) -> App:
    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        PATH.set(scope.get("path"))
        await app(scope, receive, send)

    return wrapped


def run_first(app: App, action: Callable[[], None]) -> App:
    """Run an action once on the loop, before the app gets its first message."""
    actions = [action]

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        while actions:
            actions.pop()()
        await app(scope, receive, send)

    return wrapped


def attach_loopguard(app: App) -> App:
    """Patch the monitor, because the middleware does not pass on its callback."""
    from fastapi_loopguard import LoopGuardConfig, middleware

    def record(lag_ms: float, path: str | None, _: str | None) -> None:
        report(lag_ms / 1000, path=path)

    middleware.SentinelMonitor = partial(middleware.SentinelMonitor, on_blocking=record)
    config = LoopGuardConfig(enforcement_mode="log", log_blocking_events=False)
    guarded: App = middleware.LoopGuardMiddleware(app, config=config)
    return guarded


def attach_aiocop(app: App) -> App:
    import aiocop

    def record(event: SlowTask) -> None:
        if event.exceeded_threshold:
            seen = [*event.blocking_events, *event.cpu_stack_samples]
            traces = [read_trace(each["trace"]) for each in seen]
            best = next((each for each in traces if has_own(each)), [])
            report(event.elapsed_ms / 1000, best, event.context.get("path"))

    def activate() -> None:
        aiocop.activate()

    aiocop.patch_audit_functions()
    aiocop.start_blocking_io_detection(trace_depth=40)
    aiocop.register_context_provider(lambda: {"path": PATH.get()})
    aiocop.detect_slow_tasks(threshold_ms=int(1000 * THRESHOLD_S), on_slow_task=record)
    return run_first(remember_path(app), activate)


def read_trace(text: str) -> list[Frame]:
    """Parse `file:line:function <- file:line:function`, innermost first."""
    found = re.findall(r"([^\s:<>\"']+\.py):(\d+)(?::(\w+|<\w+>))?", text)
    return [(file, int(line), name) for file, line, name in reversed(found)]


def has_own(frames: Iterable[Frame]) -> bool:
    return any(Path(each[0]).parent == APPS for each in frames)


def attach_blockbuster(app: App) -> App:
    """Report the tracebacks that server and loop log: blockbuster raises at a blocking call."""
    from blockbuster import BlockBuster, BlockingError

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            while error is not None and not isinstance(error, BlockingError):
                error = error.__cause__ or error.__context__
            if error is not None:
                report(None, read_frames(traceback.extract_tb(error.__traceback__)), PATH.get())

    for name in ("", "uvicorn.error"):
        logging.getLogger(name).addHandler(Recorder())
    return run_first(remember_path(app), BlockBuster().activate)


def attach_pyleak(app: App) -> App:
    from pyleak import no_event_loop_blocking

    async def wrapped(scope: Message, receive: Receive, send: Send) -> None:
        watch = no_event_loop_blocking(action="log", threshold=THRESHOLD_S, check_interval=0.01)
        async with watch:
            await app(scope, receive, send)
        for each in watch.detector.detected_blocks:
            report(each.duration, read_frames(each.blocking_stack or ()), scope.get("path"))

    async def only_requests(scope: Message, receive: Receive, send: Send) -> None:
        await (app if scope["type"] == "lifespan" else wrapped)(scope, receive, send)

    return only_requests


def attach_loopsentry(app: App) -> App:
    """Combine two events: `block_resolved` has the duration, the event before it the stack."""
    from loopsentry import LoopSentry

    stacks: list[list[Frame]] = [[]]

    class Sentry(LoopSentry):  # type: ignore[misc]
        def _write_event(
            self, event_type: str, data: dict[str, list[str]], duration: float = 0.0
        ) -> None:
            super()._write_event(event_type, data, duration)
            if event_type == "block_started":
                stacks.append(read_stack_lines(data["stack"]))
            elif event_type == "block_resolved":
                report(duration, stacks[-1])

    def start() -> None:
        Sentry(base_dir=str(LOG.with_suffix(".sentry")), threshold=THRESHOLD_S).start()

    return run_first(app, start)


def read_stack_lines(lines: Iterable[str]) -> list[Frame]:
    """Parse the output of traceback.format_stack."""
    found = (re.search(r'File "(.+)", line (\d+), in (\S+)', line) for line in lines)
    return [(each[1], int(each[2]), each[3]) for each in found if each]


def attach_debug_mode(app: App) -> App:
    """Parse the log of PYTHONASYNCIODEBUG=1: `Executing <... at FILE:LINE> took 0.1 seconds`."""
    import asyncio

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            text = record.getMessage()
            if took := re.search(r"took ([\d.]+) seconds", text):
                report(float(took[1]), read_trace(text.partition(" created at ")[0]))

    def lower_threshold() -> None:
        asyncio.get_running_loop().slow_callback_duration = THRESHOLD_S

    logging.getLogger("asyncio").addHandler(Recorder())
    return run_first(app, lower_threshold)


ATTACH: dict[str, Callable[[App], App]] = {
    "fastapi-loopguard": attach_loopguard,
    "aiocop": attach_aiocop,
    "blockbuster": attach_blockbuster,
    "pyleak": attach_pyleak,
    "loopsentry": attach_loopsentry,
    "asyncio debug": attach_debug_mode,
}

Thread(target=write_entries, daemon=True).start()
app = ATTACH[os.environ["RIVAL"]](importlib.import_module(os.environ["RIVAL_TARGET"]).app)
