"""Verdict classes are found automatically, in a fixed order, and recorded in a stable form."""

import json
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from analysis.verdicts.base import Verdict, VerdictRecord, list_verdicts
from analysis.verdicts.faults import (
    CountsDisagree,
    Interrupted,
    JournalLost,
    LoadProcessDied,
    OtherEngine,
    ProbeStopped,
    Profiled,
    ThreadsLeft,
    WorkerDeaths,
)
from analysis.verdicts.instruments import GeneratorSaturated, UpstreamLate
from analysis.verdicts.limits import CoresFull, Descriptors, InterpreterFull
from analysis.verdicts.machine import CpuThrottled, MachineBusy
from analysis.verdicts.other_clients import OtherClients
from analysis.verdicts.pauses import GeneratorPaused, MachinePaused
from analysis.verdicts.unanswered import LittleMismatch, Unfinished
from analysis.verdicts.window import NotSteady, Overloaded, TooShort

EXAMPLES: tuple[Verdict, ...] = (
    Interrupted(reason="Ctrl-C"),
    CountsDisagree(sent=9, contradictions={"vanished": 2}, app_received=7, upstream_received=None),
    Descriptors(limit=1024, peak=1000, faults=0, less="fewer --users"),
    JournalLost(journals=2),
    LoadProcessDied(processes=1),
    MachinePaused(paused_s=3.0),
    GeneratorPaused(paused_s=3.0),
    ProbeStopped(silent_s=3.0),
    ThreadsLeft(threads=40),
    WorkerDeaths(deaths=3, causes="killed"),
    GeneratorSaturated(
        cpu_percent=97.0, processes=2, lateness_p99_ms=None, options="--load-processes 3"
    ),
    OtherClients(requests=7, percent=3.0),
    UpstreamLate(late_percent=7.0, options="--upstream go"),
    MachineBusy(other_cores=0.3, stolen_cores=0.3),
    CpuThrottled(throttled_cores=0.7),
    CoresFull(used=1.99, cores=2, parts={"server": 1.0, "load": 0.9}),
    InterpreterFull(cores=0.99, workers=1, whose=None, whose_percent=None, is_predicted=False),
    OtherEngine(engine="oha"),
    Profiled(fault=None),
    TooShort(window_s=0.2, counts_requests=True),
    Overloaded(
        offered_rps=100.0, sustained_rps=80.0, growth_per_s=20.0, failed_rps=0.0, cause="growth"
    ),
    LittleMismatch(users=4, users_seen=1.0, users_seen_exactly=1.0, gap_percent=75.0, unanswered=3),
    NotSteady(cause="response", percent=12.0, longer_s=30.0, less="fewer --users"),
    Unfinished(unfinished=3, completed=100, oldest_s=12.0, slowest_s=1.0),
)
"""In the order of a cell's verdicts."""


def test_every_verdict_is_found_once_the_gravest_first() -> None:
    assert list_verdicts() == tuple(type(each) for each in EXAMPLES)
    assert len({each.rank for each in EXAMPLES}) == len({each.code for each in EXAMPLES}) == 24


@pytest.mark.parametrize("verdict", EXAMPLES, ids=lambda each: each.code)
def test_a_verdict_comes_back_from_its_recorded_form(verdict: Verdict) -> None:
    found = verdict.to_record()
    assert found.message
    assert found.advice
    text = json.dumps(asdict(found))
    assert list(json.loads(text)) == ["code", "severity", "message", "advice", "data"]
    assert TypeAdapter(VerdictRecord).validate_json(text) == found


def test_a_recorded_verdict_of_a_code_that_nobody_knows_is_readable() -> None:
    recorded = {"code": "OF_LATER", "severity": "warning", "message": "m", "data": {"n": 1}}
    assert TypeAdapter(VerdictRecord).validate_python(recorded).code == "OF_LATER"


def test_data_is_what_is_known() -> None:
    assert EXAMPLES[1].data == {"sent": 9, "vanished": 2, "app_received": 7}
    assert list(EXAMPLES[15].data) == ["used", "cores", "server", "load"]
    assert list(EXAMPLES[22].data) == ["cause", "percent", "longer_s", "blocks", "less"]
    assert list(EXAMPLES[23].data) == ["unfinished", "completed", "oldest_s", "slowest_s"]
    assert Profiled(fault=None).data == {}


@pytest.mark.parametrize(
    ("verdict", "severity"),
    [
        (MachineBusy(other_cores=0.3, stolen_cores=0.1), "warning"),
        (MachineBusy(other_cores=0.3, stolen_cores=0.3), "error"),
        (Descriptors(limit=1024, peak=1000, faults=0, less="fewer --users"), "warning"),
        (Descriptors(limit=1024, peak=10, faults=1, less="fewer --users"), "error"),
        (
            LittleMismatch(
                users=4, users_seen=1.0, users_seen_exactly=1.0, gap_percent=75.0, unanswered=0
            ),
            "warning",
        ),
        (Profiled(fault="py-spy is missing"), "warning"),
        (Unfinished(unfinished=3, completed=0, oldest_s=9.0, slowest_s=None), "warning"),
        (Unfinished(unfinished=3, completed=9, oldest_s=1.0, slowest_s=1.0), "info"),
    ],
)
def test_how_grave_it_is_follows_from_its_data(verdict: Verdict, severity: str) -> None:
    assert verdict.severity == severity
