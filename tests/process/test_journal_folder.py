"""`study report` of a folder that the probe's own launcher wrote: an audit's findings."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psutil
import pytest

from analysis.findings.notices import UNRECORDED_S
from stress.machine import find_free_port
from stress.places import PROBE_FOLDER
from tests.probe.journal_support import written
from tests.process.support import ROOT, environment, run_here, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]
SERVICE = """
import time
from fastapi import FastAPI

app = FastAPI()

@app.get("/items/{item_id}")
async def read_item(item_id: int) -> int:
    time.sleep(0.15)  # blocks
    return item_id

@app.get("/fast")
def fast() -> int:
    return 1
"""
LINE = next(n for n, line in enumerate(SERVICE.splitlines(), 1) if "# blocks" in line)
REQUESTS = 5
SERVE = (sys.executable, "-m", "uvicorn", "main:app")


def is_served(url: str) -> bool:
    try:
        urlopen(f"{url}/fast", timeout=10).close()
    except URLError:
        return False
    return True


@contextmanager
def launched(folder: Path, *options: str, workers: int = 1) -> Iterator[str]:
    """The service under the launcher, from its first answer on; its URL."""
    (folder / "main.py").write_text(SERVICE)
    port = str(find_free_port(0))
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "asgi_probe", "run", "--directory", "journals", *options, "--",
             *SERVE, "--workers", str(workers), "--port", port),
            cwd=folder, env={**os.environ, "PYTHONPATH": str(PROBE_FOLDER)}, stdout=log, stderr=log,
        )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: is_served(url), (folder / "server.log").read_text())
        yield url
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def ask(url: str) -> None:
    for number in range(REQUESTS):
        urlopen(f"{url}/items/{number}", timeout=10).close()


def read_findings(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((folder / "findings.json").read_text())["findings"]
    return found


def test_the_report_names_the_line_that_blocks(tmp_path: Path) -> None:
    with launched(tmp_path) as url:
        ask(url)
    journals = tmp_path / "journals"
    done = run_here(("report", str(journals)))
    assert (done.returncode, done.stderr) == (0, "")
    (found,) = read_findings(journals)
    assert (found["file"], found["line"], found["count"]) == ("main.py", LINE, REQUESTS)
    assert "GET /items/{item_id}" in done.stdout
    assert "time.sleep" in done.stdout
    manifest = json.loads((journals / "manifest.json").read_text())
    assert manifest["command"].endswith(url.rpartition(":")[2])
    assert manifest["environment"]["cores"] == os.cpu_count()
    assert "uvicorn" in (journals / "report.html").read_text()


def test_a_later_report_has_the_later_requests(tmp_path: Path) -> None:
    """The service may still run when it is reported first."""
    journals = tmp_path / "journals"
    with launched(tmp_path) as url:
        ask(url)
        wait_for(lambda: run_here(("report", str(journals))).returncode == 0, "a first report")
        ask(url)
    assert run_here(("report", str(journals))).returncode == 0
    assert [each["count"] for each in read_findings(journals)] == [2 * REQUESTS]


def test_a_probe_in_the_code_writes_a_folder_too(tmp_path: Path) -> None:
    """`Probe(app, folder)` writes no launch.json and no report of its process."""
    code = (
        "import asyncio, time; from pathlib import Path; from asgi_probe import Probe\n"
        "async def app(scope, receive, send):\n"
        "    time.sleep(0.15); await send({'type': 'http.response.start', 'status': 200})\n"
        "async def none(*_): ...\n"
        "probe = Probe(app, Path())\n"
        "scope = {'type': 'http', 'path': '/a', 'method': 'GET', 'headers': []}\n"
        "asyncio.run(probe(scope, none, none)); probe.stop()\n"
    )
    subprocess.run(
        (sys.executable, "-c", code), cwd=tmp_path, env={"PYTHONPATH": str(PROBE_FOLDER)},
        check=True, timeout=60,
    )  # fmt: skip
    done = run_here(("report", str(tmp_path)))
    assert done.returncode == 0
    assert "no thread pool" not in done.stdout
    assert [each["route"] for each in read_findings(tmp_path)] == ["/a"]
    assert json.loads((tmp_path / "manifest.json").read_text())["command"] == ""
    for threshold, exit_code in {"blocked>9s": 0, "LOOP_BLOCKED": 1, "waited>1ms": 3}.items():
        done = run_here(("report", str(tmp_path), "--fail-on", threshold))
        assert done.returncode == exit_code
    assert run_here(("report", str(tmp_path))).returncode == 0
    (tmp_path / "launch.json").write_text("{torn")
    done = run_here(("report", str(tmp_path)))
    assert done.returncode == 2
    assert f"{tmp_path / 'launch.json'} is damaged" in done.stderr
    assert done.stderr.count("\n") == 1
    (tmp_path / "launch.json").unlink()
    (tmp_path / "20261129T120000Z").mkdir()  # what a restarted service wrote
    (tmp_path / "20261129T120000Z/probe-1-2.000.journal").touch()
    done = run_here(("report", str(tmp_path)))
    assert "the service started 2 times; this is the first start" in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("manifest.json", '{"name": "my extension"}'),
        ("summary.md", "mine"),
        ("report.html", "mine"),
    ],
)
def test_a_users_own_file_is_not_replaced(tmp_path: Path, name: str, content: str) -> None:
    with written(tmp_path) as journal:
        journal.add_sample(1.0)
    (tmp_path / name).write_text(content)
    before = sorted(tmp_path.iterdir())
    done = run_here(("report", str(tmp_path)))
    assert done.returncode == 2
    assert done.stderr.startswith(f"study: {tmp_path / name} is not an earlier report's")
    assert done.stderr.count("\n") == 1
    assert (tmp_path / name).read_text() == content
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_without_stacks_says_that_blocks_were_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGI_PROBE_STACKS", "0")
    with launched(tmp_path) as url:
        ask(url)
    done = run_here(("report", str(tmp_path / "journals"), "--fail-on", "blocked>50ms"))
    assert done.returncode == 3
    assert "ASGI_PROBE_STACKS=0" in done.stdout
    assert "no code that blocks" not in done.stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, 3)])
def test_a_worker_that_ended_in_order_is_recorded_to_its_end(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    journals = tmp_path / "journals"
    with launched(tmp_path, workers=2) as url:
        ask(url)
        wait_for(lambda: count_written(journals) == 2, "the samples of both workers")
        ended = min(journals.glob("probe-*.journal"))
        os.kill(int(ended.name.split("-")[1]), number)
        wait_for(
            lambda: measure_silence(journals, ended) > UNRECORDED_S + 0.5,  # a flush, and a sample
            "records of the other workers",
        )
    done = run_here(("report", str(journals), "--fail-on", "blocked>9s"))
    assert done.returncode == code
    notices = json.loads((journals / "findings.json").read_text())["notices"]
    assert ("RECORDING_STOPPED" in [each["code"] for each in notices]) == (code == 3)


def count_written(folder: Path) -> int:
    """The journals with more than their header, which is below 4 kB."""
    return sum(path.stat().st_size > 20_000 for path in folder.glob("probe-*.journal"))


def measure_silence(folder: Path, ended: Path) -> float:
    """Seconds between a journal's last write and the last one of all."""
    return max(path.stat().st_mtime for path in folder.glob("probe-*")) - ended.stat().st_mtime


def test_a_folder_without_a_journal_says_why(tmp_path: Path) -> None:
    (tmp_path / "launch.json").write_text("{}")
    done = run_here(("report", str(tmp_path)))
    assert done.returncode == 2
    assert done.stderr.startswith(f"study: {tmp_path}: the probe wrote no journal; ")
    assert "its user may not write to this folder" in done.stderr


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("attach-1.json", None, "attach-1.json is not a regular file"),
        ("attach-1.json", "[" * 9000, "attach-1.json is damaged"),
        ("launch.json", None, "launch.json is not a regular file"),
        ("launch.json", '{"t0_s": 1e20}', "launch.json is not of these journals: its t0_s, 1e"),
        ("launch.json", '{"t0_s": -1e9}', "launch.json is not of these journals"),
        ("launch.json", '{"t0_s": NaN}', "launch.json is damaged (NaN is not a number"),
        ("launch.json", '{"started_utc": "today"}', "launch.json is damaged"),
        ("launch.json", '{"cores": "4"}', "launch.json is damaged"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_in_one_line(
    file: str, content: str | None, says: str, tmp_path: Path
) -> None:
    """content: None for a named pipe, from which a read would never return."""
    with written(tmp_path, 1, 10.0) as journal:
        journal.add_request(1, "/a", 10.0, 10.5)
    if content is None:
        os.mkfifo(tmp_path / file)
    else:
        (tmp_path / file).write_text(content)
    done = run_here(("report", str(tmp_path)))
    assert done.stderr.startswith(f"study: {tmp_path}/{says}")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert not list(tmp_path.rglob("audit.json"))


def test_a_service_that_has_just_started_has_no_rows(tmp_path: Path) -> None:
    with written(tmp_path, 1, 10.0) as journal:
        journal.flush()
    (tmp_path / "launch.json").write_text('{"t0_s": 9.5}')
    done = run_here(("report", str(tmp_path)))
    assert "internal error" not in done.stderr
    assert done.returncode == 0


def start_top(*words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        (sys.executable, "-m", "study", "top", *words), cwd=ROOT, env=environment(),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def is_shown(target: str) -> bool:
    """Whether one view has the route, the request in flight, and the line that blocks."""
    out, _ = start_top(target, "--once").communicate(timeout=60)
    return all(each in out for each in ("/items/{item_id}", f"main.py:{LINE} read_item", "process"))


def test_top_shows_the_service_from_its_files_and_from_its_port(tmp_path: Path) -> None:
    port = find_free_port(0)
    with launched(tmp_path, "--listen", str(port)) as url:
        ask(url)
        wait_for(lambda: is_shown(str(tmp_path / "journals")), "the service by its files")
        assert is_shown(f"127.0.0.1:{port}")
        top = start_top(f"127.0.0.1:{port}")
        assert top.stdout is not None
        assert top.stdout.readline().startswith(f"asgi-probe top: 127.0.0.1:{port}, at ")
        top.send_signal(signal.SIGINT)
        assert top.communicate(timeout=30)[1] == ""
        assert top.returncode == 0


def find_listener(port: int, parent: int) -> psutil.Process:
    """The worker that serves the journals."""
    (found,) = [
        each for each in psutil.Process(parent).children(recursive=True)
        if any(it.laddr.port == port for it in each.net_connections() if it.status == "LISTEN")
    ]  # fmt: skip
    return found


def test_another_worker_takes_over_when_the_first_ends(tmp_path: Path) -> None:
    port = find_free_port(0)
    with launched(tmp_path, "--listen", str(port), workers=2):
        (launch,) = [each for each in psutil.Process().children() if "main:app" in each.cmdline()]
        wait_for(lambda: "process" in run_top_once(port), "a relay")
        ended = find_listener(port, launch.pid)
        top = start_top(f"127.0.0.1:{port}")
        assert top.stdout is not None
        seen: list[str] = [top.stdout.readline()]
        ended.kill()
        while f"process {ended.pid} " not in seen[-1]:
            seen.append(top.stdout.readline())
        wait_for(lambda: find_next(top, ended.pid), "a view without the ended worker")
        top.send_signal(signal.SIGINT)
        assert top.communicate(timeout=30)[1] == ""


def run_top_once(port: int) -> str:
    return start_top(f"127.0.0.1:{port}", "--once").communicate(timeout=60)[0]


def find_next(top: "subprocess.Popen[str]", pid: int) -> bool:
    """Read one more view; whether it has a process, and not this one."""
    assert top.stdout is not None
    lines = [top.stdout.readline()]
    while lines[-1] and not lines[-1].startswith("Of the last"):
        lines.append(top.stdout.readline())
    view = "".join(lines)
    return "process" in view and f"process {pid} " not in view
