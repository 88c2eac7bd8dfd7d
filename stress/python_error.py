"""Finds the Python error of a failing app: starts the app and requests each path once."""

import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path

from scenarios.errors import UserError
from scenarios.model import Endpoint, Scenario
from scenarios.units import Second
from stress.callers import send_request
from stress.interruption import Interruption
from stress.last_words import IN_GROUP, TRACEBACK, find_exception, read_last_lines
from stress.machine import find_free_port
from stress.stack import Stack
from stress.start_stack import start_stack

ANSWERS_WITHIN_S: Second = 10.0
FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line \d+')


def find_python_error(scenario: Scenario, folder: Path, interruption: Interruption) -> str | None:
    """Request each path of a resolved scenario once, on fresh servers that are stopped again.

    Return the server's last traceback, with only the frames of the app in `folder`; None if all
    paths succeed. Raises UserError if one fails without a traceback, CellInterruptedError.
    """
    with tempfile.TemporaryDirectory(prefix="edit-") as logs:
        try:
            stack = start_stack(scenario, find_free_port(0), Path(logs), interruption)
            with closing(stack):
                for path in list_paths(scenario):
                    ask(stack, replace(scenario, endpoint=Endpoint(path, scenario.endpoint.style)))
        except UserError:
            lines = read_last_lines(Path(logs) / "server.log")
            if not (error := "\n".join(select_error(lines, folder))):
                raise  # the app printed no traceback
            return error
    return None


def ask(stack: Stack, scenario: Scenario) -> None:
    """Send one request. Raises UserError if it fails."""
    with closing(HTTPConnection(stack.host, stack.port, timeout=ANSWERS_WITHIN_S)) as connection:
        send_request(connection, scenario)


def list_paths(scenario: Scenario) -> tuple[str, ...]:
    rare = () if scenario.rare is None else (scenario.rare.path,)
    return tuple(dict.fromkeys((scenario.endpoint.path, *rare, scenario.bystander.path)))


def select_error(lines: Sequence[str], folder: Path) -> Iterator[str]:
    """Yield the last traceback's app frames, with paths relative to `folder`, and its exception."""
    starts = [at for at, line in enumerate(lines) if TRACEBACK in line]
    exception = find_exception(list(lines))
    if not starts or exception is None:
        return
    is_own = False
    for line in (IN_GROUP.sub("", each) for each in lines[starts[-1] + 1 :]):
        if not line.startswith(" "):
            break
        if frame := FRAME.match(line):
            is_own = Path(frame["path"]).is_relative_to(folder / "app")
        if is_own:
            yield line.replace(f"{folder}/", "")
    yield exception
