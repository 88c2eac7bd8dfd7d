"""One contract, two implementations: everything here runs against real processes of both."""

import asyncio
import json
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from math import sqrt
from pathlib import Path
from typing import TypeVar

import pytest

from slow_upstream.ledger import UpstreamStats

pytestmark = pytest.mark.slow
UNTIMED = pytest.mark.untimed

ROOT = Path(__file__).parents[2]
PATIENCE_S = 10.0
# The contract's number. Measured here: 0.2 s in Python (two ticks of uvicorn), 0.01 s in Go.
STOP_S = 0.5

Found = TypeVar("Found")
Start = Callable[..., "Upstream"]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    text: str
    content_type: str


@dataclass(frozen=True, slots=True)
class Upstream:
    process: subprocess.Popen[bytes]
    ready: dict[str, object]
    port: int

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def get(self, target: str, method: str = "GET", request_id: str = "") -> Answer:
        with closing(self.connect()) as connection:
            return ask(connection, target, method, request_id)

    def stats(self) -> UpstreamStats:
        return UpstreamStats(**json.loads(self.get("/stats").text))

    def when(self, holds: Callable[[UpstreamStats], bool]) -> UpstreamStats:
        return until(lambda: stats if holds(stats := self.stats()) else None)

    def hold(self, wait_ms: int, request_id: str = "") -> socket.socket:
        """Send a request and leave its response unread."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        head = f"GET /?waitms={wait_ms} HTTP/1.1\r\nhost: x\r\nx-request-id: {request_id}\r\n\r\n"
        client.sendall(head.encode())
        return client

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[UpstreamStats, float]:
        """The stats in its last line, and the seconds until it ended."""
        began_s = time.monotonic()
        self.process.send_signal(how)
        out, _ = self.process.communicate(timeout=PATIENCE_S)
        took_s = time.monotonic() - began_s
        assert self.process.returncode == 0
        return UpstreamStats(**json.loads(out)["stats"]), took_s


def ask(
    connection: HTTPConnection, target: str, method: str = "GET", request_id: str = ""
) -> Answer:
    connection.request(method, target, headers={"x-request-id": request_id})
    response = connection.getresponse()
    return Answer(response.status, response.read().decode(), response.headers["content-type"])


def until(look: Callable[[], Found | None]) -> Found:
    deadline_s = time.monotonic() + PATIENCE_S
    while (found := look()) is None:
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)
    return found


async def ask_at_once(port: int, target: str, count: int) -> list[str]:
    """The bodies of `count` responses, each on a connection of its own."""

    async def one() -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return answer.decode().partition("\r\n\r\n")[2]

    async with asyncio.timeout(PATIENCE_S):
        return await asyncio.gather(*(one() for _ in range(count)))


def asked_ms(text: str) -> int:
    match = re.fullmatch(r"Waited for ([0-9]+) milliseconds", text)
    assert match is not None, text
    return int(match[1])


def logged(path: Path) -> list[list[str]]:
    head, *lines = [line.split(",") for line in path.read_text().splitlines()]
    assert head == ["request_id", "at_s", "asked_ms", "waited_ms", "status"]
    return lines


def refused(program: list[str], *options: str) -> tuple[int, str]:
    """The exit code and the single error line of a failed start."""
    done = subprocess.run(
        [*program, *options], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    return done.returncode, done.stderr


@contextmanager
def running(program: list[str], *options: str) -> Iterator[Upstream]:
    command = [*program, "--port=0", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, bufsize=0) as process:
        assert process.stdout is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
            assert readable, "no ready line"
            ready = json.loads(process.stdout.readline())
            yield Upstream(process, ready, ready["port"])
        finally:
            process.kill()


@pytest.fixture(scope="module", params=["python", "go"])
def program(request: pytest.FixtureRequest) -> list[str]:
    if request.param == "python":
        return [sys.executable, "-m", "slow_upstream"]
    if shutil.which("go") is None:
        pytest.skip("no go on the PATH: the Go upstream is not tested")
    build = ["sh", str(ROOT / "slow_upstream/build.sh")]
    # The first build compiles the standard library: 10 s here, with nothing cached.
    built = subprocess.run(build, stdout=subprocess.PIPE, text=True, timeout=55, check=True)
    return [built.stdout.strip()]


@pytest.fixture
def start(program: list[str]) -> Iterator[Start]:
    with ExitStack() as stack:
        yield lambda *options: stack.enter_context(running(program, *options))


@pytest.fixture(scope="module")
def shared(program: list[str]) -> Iterator[Upstream]:
    """For the tests that leave nothing behind and read no counts."""
    with running(program, "--default-ms=30") as upstream:
        yield upstream


@UNTIMED
def test_the_ready_line(program: list[str], shared: Upstream) -> None:
    assert shared.ready == {
        "listening": f"127.0.0.1:{shared.port}",
        "port": shared.port,
        "pid": shared.process.pid,
        "implementation": "python" if "-m" in program else "go",
    }


@pytest.mark.parametrize(
    ("target", "expected_ms"),
    [("/?waitms=120", 120), ("/?waitms=007", 7), ("/?waitms=0", 0), ("/?a=b", 30), ("/", 30)],
)
def test_it_waits_and_says_how_long(shared: Upstream, target: str, expected_ms: int) -> None:
    began_s = time.monotonic()
    answer = shared.get(target)
    took_ms = (time.monotonic() - began_s) * 1000
    text = f"Waited for {expected_ms} milliseconds"
    assert answer == Answer(200, text, "text/plain; charset=utf-8")
    # Never early; 250 ms late would be a hundred times what a quiet machine measures.
    assert expected_ms <= took_ms < expected_ms + 250


@UNTIMED
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("waitms=abc", "abc"),
        ("waitms=-1", "-1"),
        ("waitms=+1", "+1"),
        ("waitms=1.5", "1.5"),
        ("waitms=1e3", "1e3"),
        ("waitms=1_000", "1_000"),
        ("waitms=%31", "%31"),
        ("waitms=", ""),
        ("waitms", ""),
        ("waitms=1&waitms=1", "1,1"),
        ("waitms=60001", "60001"),
        ("waitms=<script>'x'", "?script??x?"),
        (f"waitms={'9' * 5000}", "9" * 37 + "..."),
    ],
)
def test_a_bad_wait_is_refused_at_once(shared: Upstream, query: str, said: str) -> None:
    text = f'waitms must be one whole number from 0 to 60000, not "{said}"'
    assert shared.get(f"/?{query}") == Answer(400, text, "text/plain; charset=utf-8")


@UNTIMED
@pytest.mark.parametrize("target", ["/nowhere", "//", "/stats/", "/?waitms=1"])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE"])
def test_other_paths_and_methods(shared: Upstream, target: str, method: str) -> None:
    known = target == "/?waitms=1"
    expected = 404 if not known else 200 if method == "GET" else 405
    assert shared.get(target, method).status == expected


@UNTIMED
def test_a_connection_is_used_again(shared: Upstream) -> None:
    with closing(shared.connect()) as connection:
        connection.connect()
        first = connection.sock
        for target in ("/?waitms=1", "/?waitms=x", "/stats", "/nowhere", "/?waitms=2"):
            ask(connection, target)
            assert connection.sock is first


def test_200_waits_at_once(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    upstream = start("--log", str(path))
    began_s = time.monotonic()
    texts = asyncio.run(ask_at_once(upstream.port, "/?waitms=1000", 200))
    took_s = time.monotonic() - began_s
    assert texts == ["Waited for 1000 milliseconds"] * 200
    assert took_s < 3
    upstream.get("/?waitms=0")
    stats, _ = upstream.stop()
    # All were in flight at once: the first could not leave before the last had come.
    assert (stats.in_flight_peak, stats.served) == (200, 201)
    late_ms = [float(line[3]) - int(line[2]) for line in logged(path)]
    # None early, which uvloop's timers alone would be. Measured here: 8 ms late at the most.
    assert min(late_ms) >= 0
    assert max(late_ms) < 250
    assert stats.late_ms_max == pytest.approx(max(late_ms), abs=0.1)


@UNTIMED
def test_the_stats_add_up(start: Start) -> None:
    upstream = start("--error-rate=0.5", "--seed=3")
    fresh = upstream.stats()
    assert (fresh.received, fresh.asked_ms_mean, fresh.late_ms_mean, fresh.late_ms_max) == (
        (0, None, None, None)
    )
    statuses = [upstream.get("/?waitms=10").status for _ in range(20)]
    assert upstream.get("/?waitms=no").status == 400
    gone, staying = upstream.hold(30_000), upstream.hold(30_000)
    upstream.when(lambda stats: stats.in_flight == 2)
    gone.close()
    stats = upstream.when(lambda stats: stats.dropped == 1)
    assert (stats.served, stats.errors) == (statuses.count(200), statuses.count(500))
    assert (stats.received, stats.rejected, stats.in_flight) == (22, 1, 1)
    assert stats.received == stats.served + stats.errors + stats.dropped + stats.in_flight
    assert stats.in_flight_peak == 2
    assert stats.asked_ms_mean == 10
    assert stats.late_ms_mean is not None
    assert stats.late_ms_max is not None
    assert 0 <= stats.late_ms_mean <= stats.late_ms_max
    assert stats.uptime_s > 0.2  # 20 times 10 ms
    staying.close()


@UNTIMED
def test_the_log_has_every_request_with_its_id(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "log of waits.csv"
    upstream = start("--log", str(path))
    began_s = time.monotonic()
    for request_id in ("user-1.a_B", "x" * 64, "x" * 65, 'no,"good', ""):
        upstream.get("/?waitms=5", request_id=request_id)
    upstream.get("/?waitms=no", request_id="refused")
    gone, held = upstream.hold(30_000, "gone"), upstream.hold(30_000, "held")
    upstream.when(lambda stats: stats.in_flight == 2)
    gone.close()
    upstream.when(lambda stats: stats.dropped == 1)
    upstream.stop()
    ended_s = time.monotonic()
    held.close()
    lines = logged(path)
    assert [(line[0], line[2], line[4]) for line in lines] == [
        *[(id_, "5", "200") for id_ in ("user-1.a_B", "x" * 64, "", "", "")],
        ("gone", "30000", "dropped"),
        ("held", "30000", "held"),
    ]
    for _, _, asked, waited_ms, status in lines:
        assert (float(waited_ms) >= int(asked)) == (status == "200")
    if sys.platform == "linux":
        assert all(re.fullmatch(r"[0-9]+\.[0-9]{6}", line[1]) for line in lines)
        assert all(began_s <= float(line[1]) <= ended_s for line in lines)


def test_sigkill_loses_at_most_a_quarter_of_a_second(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    upstream = start("--log", str(path))
    for number in range(50):
        upstream.get("/?waitms=0", request_id=f"n{number}")
    answered_s = time.monotonic()
    until(lambda: True if path.read_text().count("\n") == 51 else None)
    # 0.25 s is the contract, 0.1 s what both do; the rest is for a busy machine.
    assert time.monotonic() - answered_s < 0.4
    upstream.process.kill()
    upstream.process.wait(PATIENCE_S)
    assert [line[0] for line in logged(path)] == [f"n{number}" for number in range(50)]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_goes_at_once_with_requests_in_flight(
    start: Start, tmp_path: Path, how: signal.Signals
) -> None:
    path = tmp_path / "log.csv"
    upstream = start("--log", str(path))
    clients = [upstream.hold(60_000, f"h{number}") for number in range(100)]
    idle = upstream.connect()
    assert ask(idle, "/?waitms=0").status == 200
    upstream.when(lambda stats: stats.in_flight == 100)
    stats, took_s = upstream.stop(how)
    assert took_s < STOP_S
    assert (stats.received, stats.served, stats.in_flight, stats.dropped) == (101, 1, 100, 0)
    ends = [(line[0], line[4]) for line in logged(path)]
    assert ends[0] == ("", "200")
    assert sorted(ends[1:]) == sorted((f"h{number}", "held") for number in range(100))
    # No partial responses: their connections are closed without a byte.
    for client in clients:
        with client:
            assert client.recv(100) == b""
    idle.close()


@UNTIMED
def test_planned_errors_come_at_their_rate(start: Start) -> None:
    upstream, count, rate = start("--error-rate", "0.25", "--seed", "7"), 400, 0.25
    with closing(upstream.connect()) as connection:
        answers = [ask(connection, "/?waitms=0") for _ in range(count)]
    errors = [answer for answer in answers if answer.status == 500]
    assert {answer.text for answer in errors} == {"Planned error after 0 milliseconds"}
    # Four standard deviations of a binomial: one seed in 16 000 would miss, and this one is fixed.
    assert abs(len(errors) - count * rate) < 4 * sqrt(count * rate * (1 - rate))


@UNTIMED
def test_a_planned_error_waits_too(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    upstream = start("--error-rate=1", f"--log={path}", "--distribution=constant")
    assert upstream.get("/?waitms=50").text == "Planned error after 50 milliseconds"
    stats, _ = upstream.stop()
    assert (stats.served, stats.errors, stats.late_ms_mean) == (0, 1, None)
    [[_, _, asked, waited_ms, status]] = logged(path)
    assert (asked, status) == ("50", "500")
    assert float(waited_ms) >= 50


# Standard deviation as a factor of the mean, and all possible waits for a mean of 20 ms.
DISTRIBUTIONS = [
    ("uniform", 0.289, range(10, 31)),
    ("lognormal", 0.533, range(401)),
    ("bimodal", 1.5, (10, 110)),
]


@UNTIMED
@pytest.mark.parametrize(("name", "deviation", "possible"), DISTRIBUTIONS)
def test_waits_vary_around_the_mean(
    start: Start, name: str, deviation: float, possible: range | tuple[int, ...]
) -> None:
    upstream, count = start("--distribution", name), 300
    texts = asyncio.run(ask_at_once(upstream.port, "/?waitms=20", count))
    drawn = [asked_ms(text) for text in texts]
    # Four standard errors, and a fixed seed.
    assert abs(sum(drawn) / count - 20) < 4 * 20 * deviation / sqrt(count)
    assert set(drawn) <= set(possible)
    assert len(set(drawn)) > 1


@UNTIMED
def test_one_seed_gives_one_sequence(start: Start) -> None:
    def sequence(seed: int) -> list[str]:
        upstream = start("--distribution=uniform", f"--seed={seed}")
        with closing(upstream.connect()) as connection:
            return [ask(connection, "/?waitms=10").text for _ in range(15)]

    first = sequence(1)
    assert sequence(1) == first
    assert sequence(2) != first


@UNTIMED
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "http"], '--port: must be one whole number from 0 to 65535, not "http"'),
        (["--port=65536"], '--port: must be one whole number from 0 to 65535, not "65536"'),
        (["--default-ms=-5"], '--default-ms: must be one whole number from 0 to 60000, not "-5"'),
        (["--error-rate", "1.1"], '--error-rate: must be a decimal number from 0 to 1, not "1.1"'),
        (["--seed=x"], '--seed: must be one whole number from 0 to 9223372036854775807, not "x"'),
        (["--distribution=normal"], "lognormal, bimodal, not "),
        (["--host="], "--host: must not be empty"),
        (["--host", "192.0.2.1"], '--host "192.0.2.1" --port '),
        (["--log=/nowhere/log.csv", "--port=0"], '--log: cannot write "/nowhere/log.csv": '),
        (["--waits=3"], "waits"),
        (["surplus"], "surplus"),
        (["--seed"], "seed"),
    ],
)
def test_a_bad_option_is_one_line(program: list[str], options: list[str], words: str) -> None:
    code, line = refused(program, *options)
    assert code == 2
    assert line.startswith("slow-upstream: ")
    assert words in line


@UNTIMED
def test_a_taken_port_is_one_line_and_leaves_its_owners_log_alone(
    program: list[str], start: Start, tmp_path: Path
) -> None:
    path = tmp_path / "log.csv"
    upstream = start("--log", str(path))
    upstream.get("/?waitms=0", request_id="mine")
    code, line = refused(program, "--port", str(upstream.port), "--log", str(path))
    assert code == 3
    assert f"--port: {upstream.port} on 127.0.0.1 is taken" in line
    upstream.stop()
    assert [line[0] for line in logged(path)] == ["mine"]
