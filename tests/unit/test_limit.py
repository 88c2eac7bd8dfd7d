"""Which resource was full: each planted one is named, none is named without evidence, and a
prediction changes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from analysis.guide.recorded import Records
from analysis.measures.probe_metrics import BlockingSite
from analysis.measures.throughput import OpenLoopSummary
from analysis.report.limit_words import describe_measured_limit
from analysis.report.notes import write_headline
from analysis.summary.cell import compute_summary
from analysis.summary.limit import FULL_LOOP, KEPT_UP, MeasuredLimit, Resource, find_measured_limit
from analysis.summary.model import CellSummary
from analysis.summary.predicates import OF_RESOURCES
from analysis.verdicts.base import VerdictRecord, list_verdicts
from analysis.verdicts.instruments import GeneratorSaturated
from analysis.verdicts.machine import CpuThrottled
from records.prediction import Prediction
from records.rundir import open_run
from scenarios.catalogue import select_scenarios
from scenarios.model import Scenario
from scenarios.resolution import MachineResources, resolve_scenario
from tests.unit.samples import healthy, record, tables

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence" / "guidance"
USERS = 500
QUIET = replace(
    compute_summary(record(), tables(healthy())),
    users=USERS,
    requests=3340,
    rps=334.0,
    ok_rps=334.0,
    failure_ratio=0.0,
    cpu_ms_per_request=1.0,
    threads_active_mean=1.0,
    loop_blocked_share=0.0,
    generator_cpu_percent=(20.0,),
    verdicts=(),
)
"""A third of the throughput is missing, and no measured resource is saturated."""
SITE = BlockingSite(
    route="/", file="app/clients.py", line=57, function="f", cause="wait", seconds=9.0,
    longest_ms=1000.0, share=1.0,
)  # fmt: skip
LATE = VerdictRecord("UPSTREAM_LATE", "error")
STEADY = OpenLoopSummary(300.0, "constant", 300.0, 299.0, 0.0, False, 1.0, 2.0)


def get_scenario(name: str, pool: int | None = None) -> Scenario:
    """A scenario with 500 users, resolved."""
    offered = MachineResources(uvloop=True, httptools=True, go=True)
    found = resolve_scenario(select_scenarios((name,))[0], offered)
    return replace(found, server=replace(found.server, pool=pool or found.server.pool))


AWAITS, DEF = get_scenario("async-http-shared"), get_scenario("sync-http-shared", pool=40)
FEW = replace(AWAITS, client=replace(AWAITS.client, connections=100)) if AWAITS.client else AWAITS
COMPILED = get_scenario("axum-http-shared")
FULL = {
    "users": (replace(QUIET, ok_rps=490.0), AWAITS),
    "arrivals": (replace(QUIET, users=None, ok_rps=299.0, open_loop=STEADY), AWAITS),
    "interpreter": (replace(QUIET, cpu_ms_per_request=2.95), AWAITS),
    "worker restarts": (replace(QUIET, worker_restarts=3, failure_ratio=0.9), AWAITS),
    "event loop": (
        replace(QUIET, loop_blocked_share=0.97, blocking_sites=(SITE,), cpu_ms_per_request=None),
        AWAITS,
    ),
    "pool threads": (
        replace(QUIET, ok_rps=39.0, rps=39.0, threads_active_mean=39.6, pool_waiting_peak=460),
        DEF,
    ),
    "client connections": (replace(QUIET, ok_rps=98.0, rps=98.0), FEW),
    "load generator": (replace(QUIET, generator_cpu_percent=(99.0,)), AWAITS),
    "cores": (replace(QUIET, cpu_ms_per_request=2.95), COMPILED),
    "upstream": (
        replace(
            QUIET, upstream_late_share=0.4, verdicts=(VerdictRecord("UPSTREAM_LATE", "error"),)
        ),
        AWAITS,
    ),
}
PLANTED: Mapping[Resource, tuple[CellSummary, Scenario]] = FULL  # type: ignore[assignment]
LIMITS = st.sampled_from([*FULL, "pool", "connections", "blocked loop", "worker kills", None])


@pytest.mark.parametrize("resource", PLANTED)
def test_a_full_resource_is_named(resource: Resource) -> None:
    found = find_measured_limit(*PLANTED[resource])
    assert found.resource == resource
    assert found.used is not None
    assert "None" not in describe_measured_limit(found)


@given(st.sampled_from(list(PLANTED)), LIMITS, st.floats(1, 1000))
def test_what_theory_says_is_no_evidence(
    resource: Resource, limited_by: str | None, ok_rps: float
) -> None:
    cell, scenario = PLANTED[resource]
    predicted = replace(cell, predicted=Prediction(ok_rps=ok_rps, limited_by=limited_by))
    assert find_measured_limit(predicted, scenario) == find_measured_limit(cell, scenario)


def test_where_nothing_is_full_the_limit_is_unexplained() -> None:
    theory = Prediction(499.0, 1000.0, 1000.0, 1000.0, None, "users")
    cell = replace(QUIET, predicted=theory)
    assert find_measured_limit(cell, AWAITS) == MeasuredLimit("unexplained")
    busier = find_measured_limit(replace(cell, cpu_ms_per_request=2.0), AWAITS)
    assert busier.resource == "unexplained"
    assert busier.closest is not None
    assert (busier.closest.resource, busier.closest.used) == ("interpreter", 0.668)


@given(st.floats(1, USERS))
def test_users_limit_only_where_they_got_nearly_all(ok_rps: float) -> None:
    found = find_measured_limit(replace(QUIET, ok_rps=ok_rps, rps=ok_rps), AWAITS)
    most = USERS / 1.001  # a request takes 1 ms of CPU and waits for 1 s
    assert (found.resource == "users") == (ok_rps >= KEPT_UP * most)


@given(st.floats(0, 300), st.booleans())
def test_arrivals_limit_only_where_they_were_kept_up_with(served: float, overloaded: bool) -> None:
    loop = replace(STEADY, sustained_rps=served, overloaded=overloaded)
    found = find_measured_limit(replace(QUIET, users=None, ok_rps=served, open_loop=loop), AWAITS)
    assert (found.resource == "arrivals") == (served >= KEPT_UP * 300 and not overloaded)


def test_threads_that_wait_for_the_interpreter_are_not_the_limit() -> None:
    cell, scenario = PLANTED["pool threads"]
    assert find_measured_limit(replace(cell, cpu_ms_per_request=25.0), scenario).resource == (
        "interpreter"
    )


def test_threads_without_a_gil_share_no_interpreter() -> None:
    cell, scenario = PLANTED["pool threads"]
    busy = replace(cell, cpu_ms_per_request=25.0, gil=False)
    assert find_measured_limit(busy, scenario).resource == "pool threads"


@given(st.floats(1.16, 8))
def test_more_cpu_than_python_can_use_is_not_called_pythons(cores: float) -> None:
    cell = replace(QUIET, cpu_ms_per_request=1000 * cores / 334.0)
    assert find_measured_limit(cell, AWAITS).resource == "unexplained"


def test_a_pool_that_nobody_waited_for_is_not_the_limit() -> None:
    cell, scenario = PLANTED["pool threads"]
    assert find_measured_limit(replace(cell, pool_waiting_peak=0), scenario).resource == (
        "unexplained"
    )


def test_a_compiled_server_that_uses_more_than_its_workers_is_not_full() -> None:
    cell = replace(QUIET, cpu_ms_per_request=2300 / 334.0)
    assert find_measured_limit(cell, COMPILED).resource == "unexplained"


@pytest.mark.parametrize("code", OF_RESOURCES)
@pytest.mark.parametrize("name", ["users", "arrivals", "unexplained"])
def test_no_sentence_denies_a_verdict_that_a_resource_may_be_full(name: str, code: str) -> None:
    cell, scenario = {**FULL, "unexplained": (QUIET, AWAITS)}[name]
    known = replace(cell, verdicts=(VerdictRecord(code, "warning"),))
    headline = write_headline(known, scenario)
    assert "o resource" not in headline
    assert "o measured resource" not in headline
    assert f"A resource may have been saturated ({code})" in headline


def test_the_verdicts_of_resources_are_all_there() -> None:
    """Those of the module of limits, and those of the generator's and the container's CPU."""
    ours = {each.code for each in list_verdicts() if each.__module__.endswith("verdicts.limits")}
    assert ours | {GeneratorSaturated.code, CpuThrottled.code} == {*OF_RESOURCES}


def test_an_interpreter_is_full_by_its_verdict_where_few_requests_have_no_cpu_each() -> None:
    full = VerdictRecord("INTERPRETER_FULL", "warning", data={"cores": 0.98, "workers": 2})
    cell = replace(QUIET, cpu_ms_per_request=None, verdicts=(full,))
    scenario = replace(AWAITS, server=replace(AWAITS.server, workers=2))
    assert find_measured_limit(cell, scenario) == MeasuredLimit("interpreter", 1.96, 2)


FOREIGN = {"used": 3.95, "cores": 4, "other programs": 3.2, "server": 0.5, "load": 0.2}


@pytest.mark.parametrize(
    ("figures", "sentence"),
    [
        (
            {"worker_restarts": 1, "failure_ratio": 0.2},
            "1 worker death aborted the requests in flight on the worker.",
        ),
        (
            {"worker_restarts": 4, "failure_ratio": 0.2},
            "4 worker deaths aborted the requests in flight on the worker.",
        ),
        (
            {"cpu_ms_per_request": 970 / 334.0},
            "The Python interpreter was saturated: it used 0.97 cores; one interpreter can use "
            "about 1 (more only in code that releases the GIL).",
        ),
        (
            {"verdicts": (VerdictRecord("CORES_FULL", "warning", data=FOREIGN),)},
            "The cores of the machine were saturated: 3.95 of 4 in use, mostly by other programs.",
        ),
        (
            {"cpu_ms_per_request": 2.0},
            "No measured resource was saturated; the interpreter came closest, at 66.8 %.",
        ),
    ],
)
def test_a_limit_is_said_in_plain_words(figures: dict[str, Any], sentence: str) -> None:
    assert describe_measured_limit(find_measured_limit(replace(QUIET, **figures), AWAITS)) == (
        sentence
    )


def test_threads_were_used_most() -> None:
    cell = replace(QUIET, ok_rps=30.0, rps=30.0, threads_active_mean=32.0, pool_waiting_peak=3)
    assert describe_measured_limit(find_measured_limit(cell, DEF)) == (
        "No measured resource was saturated; the pool threads came closest, at 80.0 %."
    )


def test_connections_are_not_missing_where_each_user_can_have_one() -> None:
    cell = replace(QUIET, users=100, ok_rps=93.0, rps=93.0)
    scenario = replace(FEW, load=replace(FEW.load, users=100))
    assert find_measured_limit(cell, scenario).resource == "unexplained"


@given(st.floats(0, 1), st.floats(0, 0.89), st.sampled_from(["wait", "compute", "gil"]))
def test_the_loop_is_full_where_waits_and_work_leave_it_no_time(
    blocked: float, cores: float, cause: str
) -> None:
    """Computing that blocks the loop counts once."""
    cell = replace(
        QUIET, loop_blocked_share=blocked, blocking_sites=(replace(SITE, cause=cause),),
        cpu_ms_per_request=1000 * cores / 334.0,
    )  # fmt: skip
    is_added = cause == "wait" and blocked > cores + 1e-9
    is_full = (blocked + cores if is_added else blocked) >= FULL_LOOP
    assume(abs(blocked - cores) > 1e-6 and abs(blocked + cores - FULL_LOOP) > 1e-6)
    assert (find_measured_limit(cell, AWAITS).resource == "event loop") == is_full


RECORDED: Mapping[str, Resource] = {
    "sync-http": "pool threads",
    "async-http": "worker restarts",
    "async-http-sync": "worker restarts",
    "sync-http-shared-httpx2.pool-40": "pool threads",
    "sync-http-shared-httpx2.pool-500": "interpreter",
    "call-async-httpx2": "interpreter",
    "call-async-httpx": "interpreter",
    "call-def-httpx-each": "cores",
    "async-http-shared-httpx2.delay-100ms": "client connections",
    "health-sync": "pool threads",
    "background-async": "users",
    "background-blocks": "event loop",
    "async-http-sync-shared-httpx2": "event loop",
    "ping-uvicorn": "load generator",
    "cpu-async": "interpreter",
    "cpu-process": "cores",
    "tasks-pool": "interpreter",
    "rare-awaits": "users",
}
"""The full resource of each recorded run, from its threads, CPU and loop. (A delay of 100 ms was
recorded with 20 and 500 users, and with 40 connections.)"""


def test_recorded_runs_are_judged_by_what_was_full_in_them() -> None:
    found: dict[str, set[Resource]] = {}
    for folder in sorted(EVIDENCE.iterdir()):
        records = Records()
        records.add_run(folder.name, open_run(folder))
        for each in records.cells.values():
            for cell in each.trials:
                limit = find_measured_limit(cell, each.scenario)
                found.setdefault(cell.scenario, set()).add(limit.resource)
    wrong = {name: found[name] for name, limit in RECORDED.items() if limit not in found[name]}
    assert wrong == {}
