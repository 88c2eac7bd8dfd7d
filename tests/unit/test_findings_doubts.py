"""Stacks that accuse no code."""

from collections.abc import Sequence

import pytest

from analysis.findings import find_all
from analysis.findings.blocks.loop_blocked import LoopBlocked
from tests.unit.audit_samples import (
    AuditBuilder,
    Entry,
    endpoint,
    find_kind,
    library,
    own,
)

STDLIB = "/usr/lib/python3.13"
WRITE: Sequence[Entry] = (
    ("pathlib", f"{STDLIB}/pathlib.py", 780, "replace", 1),
    library("asgi_probe.attach_report", "update"),
)
SSL: Entry = ("ssl", f"{STDLIB}/ssl.py", 500, "load_default_certs", 1)
WAIT: Entry = ("threading", f"{STDLIB}/threading.py", 355, "Condition.wait", 1)
SEND: Entry = ("asyncio.selector_events", f"{STDLIB}/asyncio/selector_events.py", 1067, "write", 1)


def find_blocks(stack: Sequence[Entry], cpu_s: float = 0.0) -> int:
    audit = AuditBuilder()
    for turn in range(5):
        audit.block(float(turn), 0.2, [stack] * 4, cpu_s=cpu_s)
        audit.ask("/report", float(turn), turn + 0.3)
    evidence = audit.build()
    found = find_kind(LoopBlocked, evidence)
    unexplained_s = find_all(evidence).unexplained_s
    assert (unexplained_s > 0) == (not found)
    return len(found)


@pytest.mark.parametrize(
    ("below", "count"),
    [
        ([SEND], 0),
        ([library("uvicorn.protocols.http.h11_impl", "send")], 0),
        (WRITE, 0),
        ([*WRITE, library("starlette.routing", "lifespan")], 0),
        ([library("socket", "readinto")], 1),
        ([WRITE[0]], 1),  # the app's own file
        ([library("logging", "emit"), library("uvicorn.protocols.http.h11_impl", "send")], 1),
        ([SSL, library("asgi_probe.made", "note"), library("httpx", "__init__")], 1),
        ([library("sqlalchemy", "connect"), *WRITE], 1),  # called by the probe, not part of it
        ([WAIT, ("threading", f"{STDLIB}/threading.py", 979, "Thread.start", 1)], 0),
        ([WAIT, ("threading", f"{STDLIB}/threading.py", 1090, "Thread.join", 1)], 1),
        ([("subprocess", f"{STDLIB}/subprocess.py", 1900, "Popen._execute_child", 1)], 0),
        ([("subprocess", f"{STDLIB}/subprocess.py", 1200, "Popen.communicate", 1)], 1),
    ],
)
def test_a_wait_of_a_server_s_socket_or_of_the_probe_s_file_is_unexplained(
    below: list[Entry], count: int
) -> None:
    assert find_blocks(endpoint("report", 17, below)) == count


def test_cpu_in_a_server_s_socket_is_a_computation() -> None:
    assert find_blocks(endpoint("report", 17, [SEND]), cpu_s=0.2) == 1


def test_a_line_of_the_user_s_is_no_server_s() -> None:
    assert find_blocks(endpoint("report", 17, [own("wait", 31)])) == 1
