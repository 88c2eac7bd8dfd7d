"""Cells with planted metrics, for tests of a run's answer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from analysis.answers.measured_scenario import MeasuredScenario
from analysis.answers.results import Results
from analysis.measures.probe_metrics import BlockingSite
from analysis.summary.cell import compute_summary
from analysis.summary.model import BystanderLatency, CellSummary
from analysis.verdicts.base import VerdictRecord
from records.cell import BY_SERVER
from scenarios.catalogue import select_scenarios
from scenarios.model import Scenario
from scenarios.resolution import MachineResources, resolve_scenario
from tests.unit.samples import healthy, record, tables

BLANK = compute_summary(record(), tables(healthy()))
MACHINE = MachineResources(uvloop=True, httptools=True, go=True)
FAST_PING = BystanderLatency(median_ms=3.0, p99_ms=5.0, failures=0, pings=30, unanswered=0)


def get_scenario(name: str) -> Scenario:
    """A scenario of the catalogue, resolved."""
    (found,) = select_scenarios((name,))
    return resolve_scenario(found, MACHINE)


def plant_error(code: str) -> VerdictRecord:
    return VerdictRecord(code, "error")


def plant_deaths(deaths: int, causes: str) -> VerdictRecord:
    return VerdictRecord("WORKER_DEATHS", "error", data={"deaths": deaths, "causes": causes})


def plant_cell(
    scenario: Scenario,
    ok_rps: float,
    errors: Sequence[str] = (),
    trial: int = 1,
    **figures: object,
) -> CellSummary:
    """A cell in which no resource was full, unless `figures` says so."""
    known: dict[str, object] = {
        "scenario": scenario.name,
        "trial": trial,
        "users": None if scenario.load.is_open else scenario.load.users,
        "ok_rps": ok_rps,
        "rps": ok_rps,
        "failure_ratio": 0.0,
        "failures": 0,
        "cpu_ms_per_request": None,
        "loop_blocked_share": 0.0,
        "blocking_sites": (),
        "pool_waiting_peak": 0,
        "threads_active_mean": 1.0,
        "worker_restarts": 0,
        "generator_cpu_percent": (10.0,),
        "upstream_late_share": 0.0,
        "users_unanswered": 0,
        "bystander": FAST_PING,
        "verdicts": tuple(map(plant_error, errors)),
        "interrupted": None,
    }
    return replace(BLANK, **(known | figures))  # type: ignore[arg-type]


def plant_case(scenario: Scenario | str, *rates: float, **figures: object) -> MeasuredScenario:
    """One trial per rate, everything else equal."""
    found = get_scenario(scenario) if isinstance(scenario, str) else scenario
    errors = figures.pop("errors", ())
    assert isinstance(errors, tuple)
    return MeasuredScenario(
        found,
        tuple(
            plant_cell(found, rate, errors, trial, **figures)
            for trial, rate in enumerate(rates, start=1)
        ),
    )


def plant_results(*cases: MeasuredScenario) -> Results:
    return Results(cases=cases)


KILLED = f"{BY_SERVER} gunicorn: its event loop was blocked too long"
SITE = BlockingSite(
    route="/async/http/sync",
    file="app/clients.py",
    line=57,
    function="fetch",
    cause="wait",
    seconds=29.0,
    longest_ms=1000.0,
    share=1.0,
)
OPENING = replace(
    SITE,
    route="/async/http",
    file="app/systems/clients/httpx_client.py",
    line=26,
    function="open_awaiting",
    cause="compute",
)
SLOW_PING = BystanderLatency(median_ms=9000.0, p99_ms=None, failures=0, pings=9, unanswered=0)
FULL_POOL: dict[str, Any] = {"threads_active_mean": 39.6, "pool_waiting_peak": 460}
DEF = plant_case("sync-http-shared", 487.0)
AWAITS = plant_case("async-http-shared", 491.0)
BLOCKED = plant_case(
    "async-http-sync-shared",
    1.0,
    loop_blocked_share=0.99,
    blocking_sites=(SITE,),
    bystander=SLOW_PING,
    users_unanswered=471,
    errors=("LITTLE_MISMATCH",),
)
FORTY = plant_case("sync-http", 38.0, **FULL_POOL)
EACH = plant_case(
    "async-http",
    49.0,
    loop_blocked_share=0.97,
    blocking_sites=(OPENING,),
    cpu_ms_per_request=20.0,
)
