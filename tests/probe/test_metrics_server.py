"""A real Prometheus scrapes a service under load, loads the alert rules, and answers the queries of
the dashboard."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import asgi_probe
import pytest

from tests.probe.test_metrics_dashboards import ALERTS, list_expressions

pytest.importorskip("prometheus_client")
pytest.importorskip("uvicorn")
APP = Path(__file__).with_name("metrics_app.py")
HOME = str(Path(asgi_probe.__file__).parent.parent)
LONGEST_S = 50.0
"""Until everything has answered: Prometheus starts within some seconds on two busy cores."""
PAUSE_S = 0.2


@contextmanager
def start(words: "Sequence[object]") -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        [*map(str, words)],
        env={**os.environ, "PYTHONPATH": HOME},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def send_request(address: str) -> None:
    try:
        urlopen(address, timeout=10).close()
    except HTTPError as error:  # of the path without a route
        error.close()


def start_load(stack: ExitStack, port: int) -> None:
    """Send requests from a few threads until the stack ends."""
    ended = Event()

    def send(path: str) -> None:
        while not ended.wait(0.01):
            send_request(f"http://127.0.0.1:{port}{path}")

    paths = ("/thread/1",) * 5 + ("/block", "/executor", "/background", "/none")
    threads = [Thread(target=send, args=(path,)) for path in paths]
    for each in threads:
        each.start()
        stack.callback(each.join, 10)
    stack.callback(ended.set)


def start_prometheus(stack: ExitStack, folder: Path, target: int) -> int:
    """Return its port."""
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("no prometheus: install it (Debian: the package prometheus)")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    job = {"job_name": "service", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
    settings = {"global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"}}
    config = {**settings, "scrape_configs": [job], "rule_files": [str(ALERTS)]}
    (folder / "prometheus.yml").write_text(json.dumps(config))  # is YAML too
    stack.enter_context(
        start(
            (
                prometheus, f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            )
        )
    )  # fmt: skip
    return port


def query(port: int, expression: str) -> "list[dict[str, dict[str, str]]]":
    """Return the series of a query; none while Prometheus does not answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={quote(expression)}") as answer:
            found: list[dict[str, dict[str, str]]] = json.load(answer)["data"]["result"]
            return found
    except (URLError, ConnectionError):
        return []


def wait_for_series(port: int, expressions: Sequence[str]) -> None:
    """Raise AssertionError if an expression gives no series in time."""
    left, deadline_s = list(expressions), monotonic() + LONGEST_S
    pause = Event()
    while left and monotonic() < deadline_s:
        pause.wait(PAUSE_S)  # a poll: the condition decides
        left = [each for each in left if not query(port, each)]
    assert left == []


QUERIES = (
    'asgi_probe_loop_blocked_seconds_total{http_route="/block"} > 0.05',
    'asgi_probe_thread_wait_seconds_sum{http_route="/thread/{number}", stage="endpoint"} > 0.1',
    "asgi_probe_pool_tokens_max == 2 and asgi_probe_pool_calls_waiting > 0",
    'asgi_probe_executor_calls_waiting{executor="default"} > 0',
    'asgi_probe_requests_background{http_route="/background"} > 0',
    'asgi_probe_requests_in_flight{http_route="/thread/{number}"} > 0',
    "histogram_quantile(0.99, rate(asgi_probe_loop_lag_seconds_bucket[5s])) > 0.02",
    "asgi_probe_up == 1",
)
"""What the load causes; each has a series once it holds."""


@pytest.mark.slow
@pytest.mark.untimed
@pytest.mark.timeout(120)
def test_prometheus_scrapes_a_service_under_load(tmp_path: Path) -> None:
    with ExitStack() as stack:
        app = stack.enter_context(start((sys.executable, APP)))
        assert app.stdout is not None
        ports = json.loads(app.stdout.readline())
        prometheus = start_prometheus(stack, tmp_path, ports["metrics"])
        start_load(stack, ports["service"])
        of_dashboard = [re.sub(r"\$__\w+", "5s", each) for each in list_expressions()]
        panels = [each.replace("$job", ".*").replace("$instance", ".*") for each in of_dashboard]
        wait_for_series(prometheus, [*QUERIES, *panels])
        routes = {each["metric"]["http_route"] for each in query(prometheus, "{http_route!=''}")}
        known = {"/thread/{number}", "/block", "/executor", "/background"}
        assert known <= routes <= known | {"(unknown)", "(none)"}
        with urlopen(f"http://127.0.0.1:{prometheus}/api/v1/rules") as answer:
            (group,) = json.load(answer)["data"]["groups"]
        assert {each["health"] for each in group["rules"]} <= {"ok", "unknown"}  # not yet evaluated
