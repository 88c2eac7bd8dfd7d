"""The finding MIDDLEWARE_COST, from handmade records of layers."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from analysis.findings import AuditEvidence
from analysis.findings.layers.middleware_cost import MiddlewareCost
from records.rows import HANDOVERS, LAYERS
from tests.unit.audit_samples import PID, AuditBuilder, find_kind, make_table
from tests.unit.layer_samples import LIBRARY, TIMING, Row, keep_answer, pass_through

MS = 1e-3


def build(rows: Sequence[Row], waits: Sequence[Row] = ()) -> AuditEvidence:
    handovers = make_table(waits, HANDOVERS)
    return replace(AuditBuilder().build(), layers=make_table(rows, LAYERS), handovers=handovers)


def judge(rows: Sequence[Row], waits: Sequence[Row] = ()) -> tuple[MiddlewareCost, ...]:
    return find_kind(MiddlewareCost, build(rows, waits))


def use_cpu(
    requests: int, layer_s: float | None, endpoint_s: float = MS, kind: str = "BaseHTTPMiddleware"
) -> list[Row]:
    rows: list[Row] = []
    for visit in range(requests):
        mine = pass_through(visit, float(visit), {"layer": TIMING, "kind": kind})
        mine[0]["cpu_s"] = layer_s
        mine[1]["cpu_s"] = None if layer_s is None else endpoint_s
        rows += mine
    return rows


def test_a_layer_is_named_with_its_cpu() -> None:
    (found,) = judge(use_cpu(20, 0.2 * MS, 1.8 * MS))
    assert (found.code, found.route, found.phase) == ("MIDDLEWARE_COST", "/items", "middleware")
    assert (found.file, found.line, found.function) == ("timing.py", 12, "add_timing")
    assert (found.count, found.severity) == (20, "info")
    assert found.median_ms == pytest.approx(0.2)
    assert found.seconds == pytest.approx(20 * 0.2 * MS)
    assert "200 µs" in found.message
    assert "10.0 %" in found.message


def test_a_quarter_of_the_requests_cpu_is_a_warning() -> None:
    (found,) = judge(use_cpu(20, 0.4 * MS, 1.1 * MS))
    assert found.severity == "warning"


def test_the_cpu_of_threads_is_the_requests_too() -> None:
    threads: list[Row] = [{"pid": PID, "visit": visit, "cpu_s": 2 * MS} for visit in range(20)]
    (found,) = judge(use_cpu(20, 0.4 * MS, 1.1 * MS), threads)
    assert found.severity == "info"
    assert found.layers_share == pytest.approx(0.4 / 3.5)


def test_without_a_request_that_was_alone_there_is_no_number() -> None:
    assert judge(use_cpu(500, None)) == ()


@pytest.mark.parametrize(
    "rows",
    [
        use_cpu(20, 0.2 * MS, kind="ASGI"),
        use_cpu(20, 0.04 * MS),
        use_cpu(9, 0.2 * MS),
    ],
    ids=["pure ASGI", "cheap", "too few"],
)
def test_others_are_innocent(rows: Sequence[Row]) -> None:
    assert judge(rows) == ()


def test_cpu_while_a_layer_waits_may_be_of_other_work() -> None:
    rows = [row for visit in range(20) for row in keep_answer(visit, float(visit), 0.3)]
    assert judge([row | {"cpu_s": MS} for row in rows]) == ()


def test_around_several_routes_it_names_none() -> None:
    rows = use_cpu(20, 0.2 * MS)
    for row in rows[::4]:
        row["route"] = "/others"
    (found,) = judge(rows)
    assert found.route is None
    assert found.requests == 20


def test_a_function_that_is_two_layers_is_measured_for_each() -> None:
    rows: list[Row] = []
    for visit in range(20):
        mine = pass_through(visit, float(visit), {"layer": TIMING}, {"layer": TIMING})
        rows += [row | {"cpu_s": MS * row["depth"]} for row in mine]  # type: ignore[operator]
    first, second = judge(rows)
    assert (first.count, first.requests, first.median_ms) == (20, 20, 1.0)
    assert (second.count, second.requests, second.median_ms) == (20, 20, 2.0)


def test_each_layer_is_a_finding_and_they_share_the_severity() -> None:
    rows: list[Row] = []
    for visit in range(20):
        mine = pass_through(visit, float(visit), {"layer": TIMING}, {"layer": LIBRARY})
        rows += [row | {"cpu_s": MS} for row in mine]
    first, second = judge(rows)
    assert {first.file, second.file} == {"timing.py", "shield/asgi.py"}
    assert first.layers_share == second.layers_share == pytest.approx(2 / 3)
