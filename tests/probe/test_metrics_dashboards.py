"""The dashboard and the alert rules that come with the probe. `promtool` is part of Prometheus
(Debian: package prometheus)."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import asgi_probe
import pytest
from asgi_probe.metrics import INSTRUMENTS

FOLDER = Path(asgi_probe.__file__).parent / "dashboards"
ALERTS = FOLDER / "alerts.yml"
OF_PROMETHEUS = {"job", "instance", "le"}
"""Labels of every series and of every histogram."""
PART = re.compile(r"_(?:bucket|sum|count)$")
WAIT = 'asgi_probe_thread_wait_seconds_bucket{http_route="/x", stage="file", '
LAG = "asgi_probe_loop_lag_seconds_bucket{"
BLOCKED = 'asgi_probe_loop_blocked_seconds_total{http_route="/x", '
EXECUTOR = 'asgi_probe_executor_calls_waiting{executor="other", '
BACKGROUND = 'asgi_probe_requests_background{http_route="/x", '
QUIET = {
    "asgi_probe_up{": "1x30",
    "asgi_probe_loop_heartbeat_age_seconds{": "0.01x30",
    LAG + 'le="0.001", ': "0+6000x30",
    LAG + 'le="+Inf", ': "0+6000x30",
    BLOCKED + 'cause="wait", ': "0+1x30",
    BLOCKED + 'cause="no-cpu", ': "0+30x30",
    "asgi_probe_pool_calls_waiting{": "3 0 3 0 3 0 3x3 0x23",
    WAIT + 'le="0.001", ': "0+60x30",
    WAIT + 'le="+Inf", ': "0+60x30",
    EXECUTOR: "5x3 0x27",
    BACKGROUND: "40x30",
}
"""A service without trouble, by the minute: short queues, and a machine that gives it no CPU. The
names lack `job` and `instance`."""
TROUBLE = {
    "LoopBlocked": {BLOCKED + 'cause="wait", ': "0+6x30"},
    "LoopStalled": {"asgi_probe_loop_heartbeat_age_seconds{": "0+60x30"},
    "LoopLagHigh": {LAG + 'le="0.001", ': "0+5000x30", LAG + 'le="1.0", ': "0+6000x30"},
    "ThreadPoolFull": {"asgi_probe_pool_calls_waiting{": "3x30"},
    "ThreadWaitLong": {WAIT + 'le="0.001", ': "0+10x30", WAIT + 'le="1.0", ': "0+60x30"},
    "ExecutorQueueLong": {EXECUTOR: "5x30"},
    "BackgroundWorkPilesUp": {BACKGROUND: "40+10x30"},
    "ProbeOff": {"asgi_probe_up{": "0x30"},
}
"""The series with which each alert fires, in place of the quiet ones."""


def list_expressions() -> Iterator[str]:
    dashboard = json.loads((FOLDER / "grafana.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def run_promtool(*words: object) -> "subprocess.CompletedProcess[str]":
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: install Prometheus (Debian: the package prometheus)")
    return subprocess.run(
        (promtool, *map(str, words)), capture_output=True, text=True, timeout=50, check=False
    )


def check_names(expression: str) -> None:
    """Each metric is declared, and each label belongs to a metric of the expression."""
    declared = {each.prometheus_name: each for each in INSTRUMENTS}
    names = set(re.findall(r"asgi_probe_\w+", expression))
    assert names, expression
    allowed = set(OF_PROMETHEUS)
    for name in names:
        instrument = declared.get(name) or declared[PART.sub("", name)]
        assert (instrument.kind == "histogram") == (instrument.prometheus_name != name)
        allowed.update(instrument.prometheus_labels)
    inside = re.findall(r"by \(([^)]*)\)", expression) + re.findall(r"{([^}]*)}", expression)
    labels = {word for part in inside for word in re.findall(r"(\w+)(?==|!|\s*,|$)", part)}
    assert labels <= allowed | {"paused"}, expression


@pytest.mark.parametrize("expression", list(list_expressions()))
def test_a_panel_shows_what_the_probe_measures(expression: str) -> None:
    check_names(expression)


def test_the_dashboard_shows_all_that_the_probe_measures() -> None:
    shown = " ".join(list_expressions())
    assert [each.name for each in INSTRUMENTS if each.prometheus_name not in shown] == []


def test_the_alerts_name_what_the_probe_measures() -> None:
    """An expression ends where the next key begins."""
    found = re.findall(r"expr:(.*?)\n\s+for:", ALERTS.read_text(), re.DOTALL)
    assert len(found) == len(TROUBLE)
    for expression in found:
        check_names(expression)


def test_prometheus_accepts_the_alerts() -> None:
    checked = run_promtool("check", "rules", ALERTS)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(TROUBLE)} rules found" in checked.stdout


def test_prometheus_accepts_the_expressions_of_the_dashboard(tmp_path: Path) -> None:
    """As recording rules, with values in place of Grafana's variables."""
    rules = [
        {"record": f"panel:{number}", "expr": re.sub(r"\$__\w+", "5m", each).replace("$", "")}
        for number, each in enumerate(list_expressions())
    ]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))  # is YAML too
    checked = run_promtool("check", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_each_alert_fires_in_its_trouble_and_not_without(tmp_path: Path) -> None:
    tests = [describe_rule_test(QUIET, [])]
    tests += [describe_rule_test({**QUIET, **series}, [name]) for name, series in TROUBLE.items()]
    file = tmp_path / "test.yml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": tests}))
    checked = run_promtool("test", "rules", file)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def describe_rule_test(series: Mapping[str, str], firing: "list[str]") -> "dict[str, object]":
    expected = [{"labels": f'{{alertname="{each}"}}', "value": 1} for each in firing]
    return {
        "interval": "1m",
        "input_series": [
            {"series": f'{name}job="a", instance="i"}}', "values": values}
            for name, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                "eval_time": "30m",
                "exp_samples": expected,
            }
        ],
    }
