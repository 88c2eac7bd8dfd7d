"""Servers of the user's: what is refused before the load, and what is not claimed about them."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.report.notes import write_headline, write_notes
from analysis.summary.cell import compute_summary
from analysis.theory.prediction import compute_prediction
from analysis.theory.scenario_model import build_server_model
from analysis.theory.unknown_server import SHORTEST_S, describe_unknown_server
from records.prediction import Calibration
from records.rows import BYSTANDER, conform_to_schema
from scenarios.catalogue import select_scenarios
from scenarios.catalogue.contrast import choose_contrast_scenarios
from scenarios.errors import CANNOT, UserError
from scenarios.model import Endpoint, Load, Scenario, Server
from stress.check_targets import check_targets
from stress.explain import select_sampled
from stress.interruption import Interruption
from study.cli import main
from study.estimates import select_calibrated
from study.predictions import Predictor
from tests.unit.samples import healthy, record, tables

STATUSES = {"/": 200, "/broken": 500, "/echo": 405}


class Answerer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(STATUSES.get(self.path, 404))
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serve() as found:
        yield found


@contextmanager
def serve() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answerer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_without_endpoints_of_its_own_a_target_that_lacks_ours_is_refused(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["run", "contrast", "--target", f"a={url}", "--port", "0", "--out", str(out)]) == 3
    said = capsys.readouterr().err
    assert "a: GET /health returns 404; so do 6 more of 8 requests" in said
    assert "--endpoint 'GET /path'" in said
    assert not out.exists()


@pytest.mark.parametrize("endpoint", ["GET /", "GET /broken"])
def test_an_endpoint_that_exists_is_measured_even_where_it_fails(url: str, endpoint: str) -> None:
    check_targets(choose_contrast_scenarios([f"a={url}"], [endpoint]))


def test_a_method_that_an_endpoint_lacks_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="POST /echo returns 405") as refused:
        check_targets(choose_contrast_scenarios([f"a={url}"], ["POST /echo {}"]))
    assert refused.value.exit_code == CANNOT


def test_a_scenario_of_the_users_is_not_sent_to_an_option_of_the_contrast(url: str) -> None:
    mine = Scenario(
        "mine", "mine", "", "", "", Endpoint("/orders", "async def"), Server("given"), url=url
    )
    with pytest.raises(UserError, match="mine: GET /orders returns 404") as refused:
        check_targets([mine])
    assert "--endpoint" not in str(refused.value)


def test_a_target_that_does_not_answer_is_refused() -> None:
    with serve() as gone:
        pass
    with pytest.raises(UserError, match="nothing is listening"):
        check_targets(choose_contrast_scenarios([f"a={gone}"], ["GET /"]))


def make_scenarios() -> tuple[Scenario, Scenario]:
    one, other = choose_contrast_scenarios(["a=http://h:1", "b=http://h:2"], ["GET /x"])
    return one, other


def test_two_targets_share_no_calibration() -> None:
    one, other = make_scenarios()
    assert select_calibrated(one) != select_calibrated(other)


def test_work_of_another_size_shares_no_calibration() -> None:
    (one,) = select_scenarios(("sync-json",))
    larger = replace(one, file_mib=64)
    closing = replace(one, load=replace(one.load, keep_alive=False))
    assert len({*map(select_calibrated, (one, larger, closing))}) == 3
    assert len({*map(select_sampled, (one, larger, closing))}) == 3
    assert select_calibrated(one) == select_calibrated(replace(one, name="other"))


def test_of_a_foreign_server_no_style_is_claimed_and_nothing_is_expected() -> None:
    scenario, _ = make_scenarios()
    assert scenario.endpoint.style == "unknown"
    assert "def" not in scenario.expect
    cell = compute_summary(record(), tables(healthy()))
    assert "The style of the endpoint is unknown" in write_headline(cell, scenario)


@given(st.floats(SHORTEST_S, 10.0), st.integers(1, 5000), st.floats(0, 5))
def test_of_a_foreign_server_only_a_condition_is_said(
    alone_s: float, users: int, think_s: float
) -> None:
    found = Calibration(100, 1.0, 0.1 * alone_s, alone_s)
    shown = describe_unknown_server(found, Load(users=users, think_s=think_s))
    assert (shown.ok_rps, shown.median_ms, shown.limited_by) == (None, None, None)
    assert shown.reason is not None
    assert f"if it serves all {users:,} users at the same time" in shown.reason
    said = float(shown.reason.rpartition("about ")[2].split(" ")[0].replace(",", ""))
    all_at_a_time = users / (think_s + alone_s)
    assert said == pytest.approx(all_at_a_time, rel=0.01, abs=0.06)  # as it is rounded


def test_where_the_server_computes_its_users_do_not_wait_side_by_side() -> None:
    shown = describe_unknown_server(Calibration(100, 1.0, 0.09, 0.1), Load(users=20))
    assert shown.reason is not None
    assert "mostly CPU of the server" in shown.reason
    assert "rps" not in shown.reason


def test_of_quick_requests_no_rate_is_said() -> None:
    found = describe_unknown_server(Calibration(100, 1.0, 0.0, SHORTEST_S / 2), Load(users=20))
    assert found.reason is not None
    assert "rps" not in found.reason
    assert found.cpu_ms is None  # its processes could not be seen


def test_what_a_user_alone_waits_for_is_a_delay_unless_the_server_computed() -> None:
    """The user has declared the server's style."""
    mine = Scenario(
        "mine", "mine", "", "", "", Endpoint("/", "async def"), Server("given"),
        load=Load(users=20), url="http://h:1",
    )  # fmt: skip
    for cpu_s, ceiling in ((0.001, 20 / 0.1), (0.1, 1 / 0.1)):
        model = build_server_model(mine, cpu_s, 2, wait_s=0.1 - cpu_s)
        found = compute_prediction(model, mine.load)
        assert found.ok_rps == pytest.approx(ceiling, rel=0.02)


def test_a_prediction_of_a_target_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    scenario, _ = make_scenarios()
    known = Calibration(100, 1.0, 0.0, 0.1)
    monkeypatch.setattr("study.predictions.calibrate", lambda *_: known)
    found = Predictor(Interruption(), lambda _: None).predict(scenario)
    assert found.ok_rps is None
    assert "about 500.0 rps, otherwise less" in (found.reason or "")


@pytest.mark.parametrize(("statuses", "lacks"), [([404] * 3, True), ([404, 200, 404], False)])
def test_a_path_that_a_server_lacks_is_no_background_request(
    statuses: list[int], lacks: bool
) -> None:
    rows = [
        {"intended_s": 3.0 + n, "ended_s": 3.1 + n, "status": status, "error": None}
        for n, status in enumerate(statuses)
    ]
    pings = conform_to_schema(pl.DataFrame(rows), BYSTANDER)
    cell = compute_summary(record(), replace(tables(healthy()), bystander=pings))
    assert cell.bystander.lacks_path == lacks
    assert (cell.bystander.median_ms is None) == lacks
    assert cell.bystander.failures == 0
    assert any("/ping returns status 404" in each for each in write_notes(cell)) == lacks
