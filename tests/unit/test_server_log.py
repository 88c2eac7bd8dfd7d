"""What is read from a server's output and command; nothing else of them is kept."""

import json
from pathlib import Path

import pytest

from analysis.findings.load_evidence import RECORD as RECORD_TYPE
from records.server import ServerSettings
from stress.audit.server_log import LoggedEnd, ServerLog, find_end
from stress.server_words import StartedServer
from stress.servers import find_adapter
from tests.unit.audit_samples import RECORD

UVICORN = "gunicorn 27.0.1 with uvicorn 0.54.0"


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("[2026-11-28] [1] [CRITICAL] WORKER TIMEOUT (pid:77)", ("timeout", "")),
        ("[1] [ERROR] Worker (pid:77) was sent SIGKILL! Perhaps out of memory?", ("killed", "")),
        ("Worker with pid 77 was terminated due to signal 9", ("killed", "")),
        ("Worker with pid 77 was terminated due to signal 11", ("signal", "signal 11")),
        ("[1] [WARNING] Worker (pid:77) was sent SIGSEGV!", ("signal", "SIGSEGV")),
        ("[1] [INFO] Worker (pid:77) was sent SIGTERM!", ("stopped", "")),
        ("[1] [ERROR] Worker (pid:77) exited with code 3.", ("exit", "3")),
        ("[77] [INFO] Maximum request limit of 9 exceeded. Terminating process.", ("recycled", "")),
        ("[77] [INFO] Autorestarting worker after current request.", ("recycled", "")),
        ("[77] [INFO] Worker exiting (pid: 77)", None),
        ("INFO:     Finished server process [77]", ("stopped", "")),
        ("INFO:     Finished server process [\x1b[36m77\x1b[0m]", ("stopped", "")),
        ("password=hunter2 pid:77", None),
    ],
)
def test_a_line_names_a_worker_and_why_it_ended(line: str, ends: tuple[str, str] | None) -> None:
    found = [(each.pid, each.reason, each.detail) for each in find_end(line)]
    assert found == ([] if ends is None else [(77, *ends)])


def test_a_line_counts_once_when_it_is_whole(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "log")
    assert log.read_ends() == []
    log.path.write_bytes(b"[1] WORKER TIMEOUT (pid:1)\n")
    log.skip()
    with log.path.open("ab") as file:
        file.write(b"[1] [CRITICAL] WORKER TIME")
        file.flush()
        assert log.read_ends() == []
        file.write(b"OUT (pid:7)\n")
        file.flush()
        assert log.read_ends() == [LoggedEnd(7, "timeout", "")]
    assert log.read_ends() == []


def read(folder: Path, *words: str, variable: str = "", served_by: str = UVICORN) -> ServerSettings:
    reads = find_adapter("gunicorn").read_settings
    assert reads is not None
    environment = {"GUNICORN_CMD_ARGS": variable} if variable else {}
    return reads(StartedServer(words, environment, folder, served_by))


def test_the_command_speaks_before_the_variable_and_that_before_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "main:app").timeout_s == 30
    (tmp_path / "gunicorn.conf.py").write_text("timeout = 9\nbacklog = 5\n")
    assert read(tmp_path).timeout_s == 9
    assert read(tmp_path, variable="--timeout 8 -w 2").timeout_s == 8
    found = read(tmp_path, "-w", "2", "-t7", "main:app", variable="--timeout 8")
    assert (found.timeout_s, found.backlog) == (7, 5)
    (tmp_path / "mine.py").write_text("timeout = 3\n")
    assert read(tmp_path, "-c", "mine.py").timeout_s == 3
    of_module = read(tmp_path, "-c", "python:mine", "-t", "4")
    assert (of_module.timeout_s, of_module.backlog) == (4, None)


@pytest.mark.parametrize(
    "text",
    [
        "timeout = int('9')", "if True:\n    timeout = 9", "timeout = 9\ntimeout += 1",
        "from mine import *", "timeout = = 9", "timeout = True", "from mine import timeout",
        "from mine import limit as timeout", "timeout = 9\nfrom mine import timeout",
    ],
)  # fmt: skip
def test_a_timeout_that_a_file_computes_is_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(text)
    assert read(tmp_path).timeout_s is None
    assert read(tmp_path).heartbeat_every_s is None
    assert read(tmp_path, "-t", "4").timeout_s == 4


@pytest.mark.parametrize(
    ("timeout_s", "served_by", "every_s"),
    [
        (1, UVICORN, 1), (2, UVICORN, 1), (3, UVICORN, 2), (4, UVICORN, 2), (30, UVICORN, 15),
        (30, "gunicorn 27.0.1", 1),
    ],
)  # fmt: skip
def test_a_heartbeat_comes_when_half_of_the_timeout_has_passed(
    tmp_path: Path, timeout_s: int, served_by: str, every_s: int
) -> None:
    found = read(tmp_path, "--timeout", str(timeout_s), served_by=served_by)
    assert found.heartbeat_every_s == every_s


def test_uvicorns_limit_is_read_from_its_command_and_its_variable(tmp_path: Path) -> None:
    reads = find_adapter("uvicorn").read_settings
    assert reads is not None
    variables = {"UVICORN_LIMIT_CONCURRENCY": "9"}
    found = reads(StartedServer(("main:app", "--limit-concurrency=5"), variables, tmp_path, ""))
    assert (found.limit_concurrency, found.backlog, found.timeout_s) == (5, 2048, None)
    found = reads(StartedServer(("main:app", "--backlog", "3"), variables, tmp_path, ""))
    assert (found.limit_concurrency, found.backlog) == (9, 3)
    assert reads(StartedServer(("main:app",), {}, tmp_path, "")).limit_concurrency is None


def test_a_refusal_is_counted(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "log")
    log.path.write_text("WARNING:  Exceeded concurrency limit.\nINFO: GET / 503\n")
    assert log.read_ends() == []
    assert log.refusals == 1


def test_an_older_record_has_no_server() -> None:
    content = json.loads(RECORD_TYPE.dump_json(RECORD))
    del content["server"]
    assert RECORD_TYPE.validate_python(content) == RECORD
