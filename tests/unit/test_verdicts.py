"""Verdict classes are found automatically, in a fixed order, and recorded in a stable form."""

import json
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from analysis.verdicts.base import Verdict, VerdictRecord, list_verdicts
from analysis.verdicts.faults import (
    CountsDisagree,
    Profiled,
)
from analysis.verdicts.limits import CoresFull, Descriptors
from analysis.verdicts.machine import MachineBusy
from analysis.verdicts.unanswered import LittleMismatch, Unfinished
from analysis.verdicts.window import NotSteady
from tests.messages.samples import make_samples

SAMPLES: tuple[Verdict, ...] = tuple(next(make_samples(kind)) for kind in list_verdicts())


def test_the_gravest_comes_first_and_no_two_share_a_rank() -> None:
    ranks = [each.rank for each in list_verdicts()]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == len({each.code for each in list_verdicts()}) == len(ranks)


@pytest.mark.parametrize("verdict", SAMPLES, ids=lambda each: each.code)
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
    disagree = CountsDisagree(
        sent=9, contradictions={"vanished": 2}, app_received=7, upstream_received=None
    )
    assert disagree.data == {"sent": 9, "vanished": 2, "app_received": 7}
    full = CoresFull(used=1.99, cores=2, parts={"server": 1.0, "load": 0.9})
    assert list(full.data) == ["used", "cores", "server", "load"]
    unsteady = NotSteady(cause="response", percent=12.0, longer_s=30.0, less="fewer --users")
    assert list(unsteady.data) == ["cause", "percent", "longer_s", "blocks", "less"]
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
