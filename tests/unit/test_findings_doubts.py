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


def find_blocks(
    stack: Sequence[Entry], cpu_s: float = 0.0, unseen_s: float = 0.0, samples: int = 4
) -> int:
    audit = AuditBuilder()
    for turn in range(5):
        audit.block(float(turn), 0.2, [stack] * samples, cpu_s=cpu_s, unseen_s=unseen_s)
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
        ([library("socket", "readinto")], 1),
        ([WRITE[0]], 1),  # the app's own file
        ([library("logging", "emit"), library("uvicorn.protocols.http.h11_impl", "send")], 1),
        ([SSL, library("httpx", "__init__")], 1),
        ([WAIT, ("threading", f"{STDLIB}/threading.py", 979, "Thread.start", 1)], 0),
        ([WAIT, ("threading", f"{STDLIB}/threading.py", 1090, "Thread.join", 1)], 1),
        ([("subprocess", f"{STDLIB}/subprocess.py", 1900, "Popen._execute_child", 1)], 0),
        ([("subprocess", f"{STDLIB}/subprocess.py", 1200, "Popen.communicate", 1)], 1),
    ],
)
def test_a_wait_of_a_server_s_socket_is_unexplained(below: list[Entry], count: int) -> None:
    assert find_blocks(endpoint("report", 17, below)) == count


@pytest.mark.parametrize(("below", "count"), [([SEND], 0), ([library("orjson", "dumps")], 1)])
def test_a_send_after_a_kept_gil_is_where_it_was_let_go(below: list[Entry], count: int) -> None:
    """A regular expression of 0.2 s was sampled once, in the `send` of its response."""
    assert find_blocks(endpoint("report", 17, below), cpu_s=0.2, unseen_s=0.19, samples=1) == count


@pytest.mark.parametrize("below", [WRITE, [library("prometheus_client", "observe"), WRITE[1]]])
def test_the_probe_s_own_work_is_no_block_of_the_app_s(below: list[Entry]) -> None:
    """Nor does it count for the code that was sampled before it."""
    audit, stack = AuditBuilder(), endpoint("report", 17, below)
    for turn in range(5):
        audit.block(float(turn), 0.4, [endpoint("report", 17, [SSL])] * 2 + [stack] * 6)
        audit.block(turn + 0.5, 0.2, [stack] * 4, route=None)
    found = find_all(audit.build())
    (block,) = found.findings
    assert block.seconds == pytest.approx(5 * 0.1)
    assert found.unexplained_s == pytest.approx(0.0)


@pytest.mark.parametrize("holder", ["asgi_probe.relay", "other"])
def test_the_probe_that_holds_the_gil_is_no_block_of_the_app_s(holder: str) -> None:
    audit = AuditBuilder()
    for turn in range(5):
        audit.block(
            float(turn), 0.2, [], unseen_s=0.2, holder_thread=9, holder_cpu_s=0.2,
            holder_stack=[library(holder, "send")],
        )  # fmt: skip
    assert len(find_kind(LoopBlocked, audit.build())) == (holder == "other")


def test_cpu_in_a_server_s_socket_is_a_computation() -> None:
    assert find_blocks(endpoint("report", 17, [SEND]), cpu_s=0.2) == 1


def test_a_line_of_the_user_s_is_no_server_s() -> None:
    assert find_blocks(endpoint("report", 17, [own("wait", 31)])) == 1


@pytest.mark.parametrize(("route", "how"), [(None, "at a time"), ("/report", "per request")])
def test_only_a_request_has_a_time_per_request(route: str | None, how: str) -> None:
    audit, stack = AuditBuilder(), [own("refresh", 9), library("asyncio.events", "_run")]
    for turn in range(5):
        audit.block(float(turn), 0.2, [stack] * 4, route=route, visit=turn + 1 if route else 0)
    (found,) = find_kind(LoopBlocked, audit.build())
    assert f"up to 200 ms {how}." in found.facts
