"""The forecast names what requests wait for, and what shortens their wait."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from analysis.findings import find_all
from analysis.report.forecast_table import build_users_table, describe_causes
from analysis.theory.audit.causes import AuditedService, WaitCause
from analysis.theory.audit.forecast import Forecast, forecast_users
from analysis.theory.audit.load import MeasuredService, PhaseLoad
from analysis.theory.audit.model import AuditModel
from analysis.theory.audit.parts import (
    AnswerSent,
    AwaitedTime,
    LoopBlock,
    Part,
    ThreadCall,
    VisitDemand,
)
from analysis.theory.audit.simulation import UserPlan
from analysis.theory.audit.stations import ServiceLimits
from tests.unit.audit_samples import PID, AuditBuilder, endpoint, library

SLEEP = [endpoint("report", 16, [library("time", "sleep")])] * 4
CALL_S = 0.5
CALL = ThreadCall("anyio", CALL_S, (PID, 1))


def block(seconds: float) -> LoopBlock:
    return LoopBlock(seconds, (PID, 1))


def forecast(
    users: int, threads: float, routes: Mapping[str, tuple[Part, ...]], pause_s: float = 0.0
) -> Forecast:
    """Each user asks the routes in turn. Blocks are main.py:16's, and its cure is a thread."""
    audit = AuditBuilder()
    audit.block(0.0, 0.1, SLEEP)
    audit.handle("/report", visit=1, arrived_s=0.0, sent_s=0.1)
    evidence = audit.build()
    demands = {
        route: (VisitDemand(parts if AnswerSent() in parts else (*parts, AnswerSent()), 1e-4),)
        for route, parts in routes.items()
    }
    service = MeasuredService(demands, ServiceLimits({"anyio": threads}))
    load = PhaseLoad((UserPlan(tuple(routes), (pause_s,), PID),), 10.0, 1)
    found = find_all(evidence)
    assert [each.code for each in found.findings] == ["LOOP_BLOCKED"]
    return forecast_users(AuditedService(AuditModel(service, load), found, evidence, 2), users)


def find_cause(kind: str, found: Forecast) -> WaitCause:
    (cause,) = (each for each in found.causes if each.kind == kind)
    return cause


def test_a_pool_that_alone_holds_requests_up_is_named_alone() -> None:
    """One thread serves 2 calls a second; the loop could serve 50 pairs of requests a second."""
    found = forecast(20, 1, {"/report": (block(0.02),), "/invoices": (CALL,)})
    first = found.causes[0]
    assert (first.kind, first.routes, first.other) == ("queue", ("/invoices",), None)
    assert first.without_ms is not None
    # by Little's law: 20 users, each in turn served within 0.5 s and behind a few blocks of 0.02 s
    assert found.mean_ms == pytest.approx(1000 * 20 * CALL_S / 2, rel=0.1)
    assert first.without_ms < 1000 * CALL_S
    said = " ".join(describe_causes(found))
    assert "POOL_WAIT, the 1 thread of anyio's pool (/invoices)" in said
    assert "does not shorten" not in said


@pytest.mark.parametrize("users", [30, 100, 400])
def test_a_pool_behind_a_blocked_loop_is_named_with_the_block(users: int) -> None:
    """Six threads serve 12 calls a second, and the loop serves 10 blocks a second: without either
    one, requests wait for the other."""
    found = forecast(users, 6, {"/report": (block(0.1),), "/invoices": (CALL,)})
    pool = found.causes[0]
    assert (pool.kind, pool.routes) == ("queue", ("/invoices",))
    assert pool.without_ms is not None
    assert pool.without_ms > 0.98 * found.mean_ms
    assert pool.other is not None
    assert pool.other.finding is not None
    assert pool.other.finding.line == 16
    # all calls get a thread at once: the mean of 0.1 s and 0.5 s
    assert pool.without_both_ms == pytest.approx(300, rel=0.1)
    said = " ".join(describe_causes(found))
    much = " much" if pool.without_ms < found.mean_ms else ""  # it may even become longer
    assert f"Its removal alone does not shorten the mean latency{much}: " in said
    assert "It is 300 ms without LOOP_BLOCKED at main.py:16 (/report) as well." in said
    (row,) = build_users_table([found]).rows
    assert "POOL_WAIT" in str(row.cells[-1])


def test_a_block_that_requests_hardly_wait_for_is_named_if_its_removal_helps() -> None:
    """Its requests hold the loop on which each call takes and returns its thread."""
    found = forecast(400, 6, {"/report": (block(0.1),), "/invoices": (CALL,)})
    loop = find_cause("block", found)
    assert loop.wait_ms < 0.02 * found.mean_ms
    assert loop.without_ms is not None
    # the loop serves 10 pairs of requests a second, six threads alone 12
    assert loop.without_ms == pytest.approx(found.mean_ms * 10 / 12, rel=0.05)


def test_a_service_in_which_nothing_waits_has_no_causes() -> None:
    found = forecast(20, 40, {"/report": (AwaitedTime(0.1),), "/invoices": (CALL,)})
    assert found.causes == ()
    assert found.times_alone == pytest.approx(1, rel=0.02)
    (said,) = describe_causes(found)
    assert said == "With 20 users, no route takes longer than 1.1 times its mean latency alone."
    (row,) = build_users_table([found]).rows
    assert row.cells[-1] == "little: at most 1.1 times as long as alone"


def test_work_after_the_response_that_waits_is_no_cause() -> None:
    """The only thread works for 0.8 s of each second, but for no request."""
    work = replace(CALL, seconds=0.04)
    found = forecast(20, 1, {"/report": (AwaitedTime(0.1), AnswerSent(), work)}, pause_s=0.9)
    assert found.causes == ()


def test_cpu_is_no_finding() -> None:
    found = forecast(20, 40, {"/report": ()})
    cpu = find_cause("cpu", found)
    assert cpu.finding is None
    (said,) = describe_causes(found)
    assert "the requests' own CPU (/report), which is no finding." in said
