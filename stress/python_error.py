"""What Python says of an app that does not answer well: the app is started and asked once."""

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
from stress.audit.last_words import IN_GROUP, TRACEBACK, find_exception, read_last_lines
from stress.callers import send_request
from stress.interruption import Interruption
from stress.machine import find_free_port
from stress.start_stack import start_stack

ANSWERS_WITHIN_S: Second = 10.0
FRAME = re.compile(r'^\s*File "(?P<path>[^"]+)", line \d+')


def find_python_error(scenario: Scenario, folder: Path, interruption: Interruption) -> str | None:
    """Ask each path of a resolved scenario once, on fresh servers that are ended again.

    The last traceback of the server, with its frames in `folder` only; without a traceback what
    else is known. None where all paths answer well. Raises CellInterruptedError.
    """
    with tempfile.TemporaryDirectory(prefix="edit-") as logs:
        try:
            with closing(start_stack(scenario, find_free_port(0), Path(logs), interruption)) as it:
                for path in list_paths(scenario):
                    asked = replace(scenario, endpoint=Endpoint(path, scenario.endpoint.style))
                    with closing(HTTPConnection(it.host, it.port, timeout=ANSWERS_WITHIN_S)) as one:
                        send_request(one, asked)
        except UserError as problem:
            lines = read_last_lines(Path(logs) / "server.log")
            return "\n".join(select_error(lines, folder)) or str(problem)
    return None


def list_paths(scenario: Scenario) -> tuple[str, ...]:
    rare = () if scenario.rare is None else (scenario.rare.path,)
    return tuple(dict.fromkeys((scenario.endpoint.path, *rare, scenario.bystander.path)))


def select_error(lines: Sequence[str], folder: Path) -> Iterator[str]:
    """Of the last traceback the frames in `folder`, with paths from there, and the exception."""
    starts = [at for at, line in enumerate(lines) if TRACEBACK in line]
    exception = find_exception(list(lines))
    if not starts or exception is None:
        return
    is_own = False
    for line in (IN_GROUP.sub("", each) for each in lines[starts[-1] + 1 :]):
        if not line.startswith(" "):
            break
        if frame := FRAME.match(line):
            is_own = Path(frame["path"]).is_relative_to(folder)
        if is_own:
            yield line.replace(f"{folder}/", "")
    yield exception
