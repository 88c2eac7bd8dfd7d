"""The call that a line of source names, and when no call is named."""

from pathlib import Path

import pytest

from analysis.findings.blocks.calls import name_call
from analysis.findings.blocks.causes import Cause
from analysis.findings.evidence import StackFrame
from analysis.findings.places import BlockPlace, LocatedStack

SOURCE = """\
import hashlib
import time as clock
from gc import collect
from json import dumps
from .helpers import sleep
from ujson import dumps

def handle(connection, items):
    clock.sleep(float(connection))
    return hashlib.pbkdf2_hmac("sha256", b"", b"", 1).hex()
    collect()
    sorted(items)
    connection.execute("insert")
    sleep(1)
    dumps(items)
    one(two(items))
    items[0](1)
    list = handle
    list(items)
"""
EXPECTED: dict[tuple[str, Cause], str | None] = {
    ("clock.sleep(", "wait"): "time.sleep",
    ("return hashlib", "compute"): "hashlib.pbkdf2_hmac",
    ("collect()", "gc"): "gc.collect",
    ("sorted(", "compute"): "sorted",
    ("connection.execute", "wait"): "connection.execute",
    ("connection.execute", "compute"): None,  # anything in that line may compute
    ("sleep(1)", "compute"): None,  # from the user's own module
    ("dumps(items)", "compute"): None,  # imported twice
    ("one(two", "wait"): None,  # two calls
    ("items[0]", "wait"): None,  # no name
    ("list(items)", "compute"): None,  # not a builtin here
}


@pytest.mark.parametrize(("line", "cause"), EXPECTED)
def test_a_line_names_its_only_call(tmp_path: Path, line: str, cause: Cause) -> None:
    file = tmp_path / "main.py"
    file.write_text(SOURCE)
    texts = SOURCE.splitlines()
    (number,) = [n for n, text in enumerate(texts, 1) if text.strip().startswith(line)]
    own = StackFrame("main", str(file), number, "handle", 8)
    located = LocatedStack(BlockPlace("/", "endpoint"), own, (), (own,))
    assert name_call(located, cause) == EXPECTED[line, cause]


def locate(*library: StackFrame) -> LocatedStack:
    own = StackFrame("main", "/nowhere/main.py", 3, "handle", 1)
    return LocatedStack(BlockPlace("/", "endpoint"), own, library, (*library, own))


def test_a_wait_is_in_the_innermost_call_and_a_computation_in_all_below_the_line(
    tmp_path: Path,
) -> None:
    file = tmp_path / "socket.py"
    file.write_text("def readinto(self, b):\n    return self._sock.recv_into(b)\n")
    inner = StackFrame("socket", str(file), 2, "readinto", 1)
    outer = StackFrame("requests.api", "/nowhere/api.py", 59, "get", 1)
    assert name_call(locate(inner, outer), "wait") == "socket.recv_into"
    assert name_call(locate(inner, outer), "compute") == "requests.api.get"


def test_a_wait_for_another_thread_is_named_by_what_it_waits_for() -> None:
    lock = StackFrame("threading", "/nowhere/threading.py", 355, "Condition.wait", 1)
    queue = StackFrame("sqlalchemy.util.queue", "/nowhere/queue.py", 180, "Queue.get", 1)
    pool = StackFrame("sqlalchemy.pool.impl", "/nowhere/impl.py", 162, "QueuePool._do_get", 1)
    result = StackFrame("concurrent.futures._base", "/nowhere/_base.py", 4, "Future.result", 1)
    assert name_call(locate(lock, queue, pool), "wait") == "sqlalchemy.pool.impl._do_get"
    assert name_call(locate(lock, result), "wait") == "concurrent.futures._base.result"


@pytest.mark.parametrize("content", [b"\x00", b"def broken(", b"\xff\xfe"])
def test_a_source_that_cannot_be_read_names_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "main.py"
    file.write_bytes(content)
    own = StackFrame("main", str(file), 1, "handle", 1)
    located = LocatedStack(BlockPlace("/", "endpoint"), own, (), (own,))
    assert name_call(located, "wait") is None
