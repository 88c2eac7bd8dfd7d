"""What an audit derives from a command, from an app's output, and from its processes."""

import os
import shlex
import socket
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from math import inf
from pathlib import Path
from time import time

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.audit import KIND
from records.rundir import create_run
from scenarios.errors import WRONG_USE, UserError
from stress.audit import attach_errors, audited_app, listening
from stress.audit.attach_errors import (
    build_words_error,
    describe_cure,
    find_earlier_site,
    find_fault,
    find_options,
)
from stress.audit.audited_app import AuditedApp
from stress.audit.choose_port import choose_ports, drop_other_ports, warn_of_other_ports
from stress.audit.command import (
    AuditedCommand,
    build_target_command,
    find_interpreter,
    reject_command,
    reject_reload,
    warn_of_debugging,
)
from stress.audit.driven import AuditLoad
from stress.audit.listening import Listener, build_url
from stress.audit.probe_folder import may_enter
from stress.audit.reports import SETTLED_S, STARTED, ProcessReport
from stress.audit.requests import RequestOptions
from stress.interruption import Interruption
from stress.last_words import LONGEST, NOTHING, READ_BYTES, read_last_words
from stress.places import SITE_FOLDER
from stress.processes import DEBUGGING, Process, describe_exit_code
from study.audit import Audit, AuditOrder
from study.commands.audit import build_load, find_active_interpreter
from study.machine_facts import collect_environment
from study.progress import QuietDisplay

PYTHON = Path(sys.executable)
TRACEBACK = """\
INFO:     Started server process [7]
Traceback (most recent call last):
  File "/srv/main.py", line 3, in <module>
    TOKEN = os.environ["TOKEN"]
            ~~~~~~~~~~^^^^^^^^^
KeyError: 'TOKEN'
INFO:     Waiting for application shutdown.
"""
DEEP = '{"a": ' * 9000 + "1" + "}" * 9000


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", NOTHING),
        ("hello\n\n", "hello"),
        (TRACEBACK, "KeyError: 'TOKEN'"),
        (f"{TRACEBACK}\n{TRACEBACK.replace('TOKEN', 'URL')}", "KeyError: 'URL'"),
        (
            "ERROR: [Errno 98] address already in use\nINFO: Application shutdown complete.\n",
            "ERROR: [Errno 98] address already in use",
        ),
        ('{"level": "error", "event": "no database"}\n', "no database"),
        (DEEP, f"{DEEP[:LONGEST]}…"),
        (
            'Traceback (most recent call last):\n  File "a.py", line 1\nValidationError: 1 '
            "validation error for Settings\ntoken\n  Field required [type=missing]\n",
            "ValidationError: 1 validation error for Settings token Field required [type=missing]",
        ),
        (
            '  + Exception Group Traceback (most recent call last):\n  |   File "a.py", line 1\n'
            "  | ExceptionGroup: two (1 sub-exception)\n",
            "ExceptionGroup: two (1 sub-exception)",
        ),
        ('Traceback (most recent call last):\n  File "a.py"', 'File "a.py"'),
    ],
)
def test_the_last_words_are_the_line_that_says_why(output: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text(output)
    assert read_last_words(tmp_path / "server.log") == words


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (-9, "killed by SIGKILL"), (-40, "killed by signal 40")],
)
def test_each_end_has_words(code: int, words: str) -> None:
    """Most real-time signals have no name."""
    assert describe_exit_code(code) == words


@given(content=st.binary(max_size=300), times=st.integers(1, 500))
def test_any_output_gives_one_short_line(
    content: bytes, times: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.getbasetemp() / "any.log"
    log.write_bytes(content * times)
    words = read_last_words(log)
    assert len(words.splitlines()) == 1
    assert 0 < len(words) <= LONGEST + 1


def test_only_the_end_of_a_long_log_is_read(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text(f"KeyError: 'early error'\n{'x' * (READ_BYTES + 10)}\nlast\n")
    assert read_last_words(log) == "last"


@pytest.mark.parametrize(
    ("typed", "instead"),
    [
        ("uvicorn main:app --reload --port 1", "uvicorn main:app --port 1"),
        ("uv run uvicorn main:app --reload", "uv run uvicorn main:app"),
        ("fastapi dev main.py --port 1", "fastapi run main.py --port 1"),
        ("python -m fastapi dev", "python -m fastapi run"),
        (".venv/bin/fastapi run --reload", ".venv/bin/fastapi run"),
    ],
)
def test_reload_is_refused_with_what_to_type(typed: str, instead: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused:
        reject_reload(AuditedCommand(tuple(shlex.split(typed)), tmp_path))
    assert str(refused.value).endswith(f"; run {instead}")
    assert refused.value.exit_code == WRONG_USE


@pytest.mark.parametrize("typed", ["uvicorn main:app --reload-dir x", "fastapi run dev.py"])
def test_what_does_not_reload_is_not_refused(typed: str, tmp_path: Path) -> None:
    reject_reload(AuditedCommand(tuple(shlex.split(typed)), tmp_path))


@pytest.mark.parametrize("name", ["no-such-program", "./main.py", "sub/no"])
def test_what_cannot_be_started_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("")  # not executable
    with pytest.raises(UserError, match=f"'{name}' is not a program"):
        reject_command(AuditedCommand((name,), tmp_path))


def test_a_command_that_changes_the_user_is_refused_if_its_service_could_not_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = AuditedCommand(("/usr/bin/sudo", "uvicorn", "main:app"), tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UserError, match="start the audit itself as that user"):
        reject_command(command)


def test_what_may_not_be_ended_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's process refuses each signal."""

    def refuse(*_: object) -> None:
        raise psutil.AccessDenied

    with subprocess.Popen((sys.executable, "-c", "input()"), stdin=subprocess.PIPE) as running:
        app = AuditedApp(AuditedCommand(("x",), tmp_path), tmp_path, Process("app", tmp_path / "l"))
        other = psutil.Process(running.pid)
        monkeypatch.setattr(AuditedApp, "list_processes", lambda _: [other])
        monkeypatch.setattr(audited_app, "GENTLE_S", 0.05)
        monkeypatch.setattr(other, "send_signal", refuse)
        app.end()
        assert f"still runs (pid {running.pid})" in app.describe_end()
        running.communicate(b"\n")


def test_a_sitecustomize_that_runs_instead_of_the_probe_s_is_named(tmp_path: Path) -> None:
    """`opentelemetry-instrument` puts its own first, which does not run the next one."""
    (tmp_path / "sitecustomize.py").write_text("")
    own, other = str(SITE_FOLDER), str(tmp_path)
    assert find_earlier_site(os.pathsep.join((other, own))) == other
    assert find_earlier_site(os.pathsep.join((own, other))) is None
    assert find_earlier_site(os.pathsep.join(("/nowhere", own))) is None
    assert find_earlier_site(other) is None


def test_a_target_is_served_by_the_python_that_was_named(tmp_path: Path) -> None:
    argv = build_target_command("main:create()", tmp_path, PYTHON, 0).argv
    assert argv[:5] == (str(PYTHON), "-m", "uvicorn", "--factory", "main:create")
    assert int(argv[-1].removeprefix("--port=")) > 0


@pytest.mark.parametrize("target", ["main", "main:", ":app", "main:create(1)", "a b:c", "-x:y"])
def test_a_target_that_names_no_app_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not an app"):
        build_target_command(target, tmp_path, PYTHON, 0)


def test_a_python_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--python .*gone: not found"):
        build_target_command("main:app", tmp_path, tmp_path / "gone", 0)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("#!/srv/venv/bin/python3 -E\n", "/srv/venv/bin/python3"),
        ("#!/usr/bin/env python3\n", "python3"),
        ("#!/bin/sh\n'''exec' \"/a b/../long/bin/python\" \"$0\"\n", "/long/bin/python"),
        ("#!/bin/sh\nexec uvicorn\n", None),
    ],
)
def test_a_script_names_its_python(head: str, found: str | None, tmp_path: Path) -> None:
    script = tmp_path / "serve"
    script.write_text(head)
    script.chmod(0o755)
    python = find_interpreter(AuditedCommand(("./serve",), tmp_path))
    assert python == found or (found == "/long/bin/python" and (python or "").endswith(found))


def test_a_pipe_is_no_program(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "serve", 0o755)
    assert find_interpreter(AuditedCommand(("./serve",), tmp_path)) is None


def test_a_command_that_is_a_python_names_itself(tmp_path: Path) -> None:
    assert find_interpreter(AuditedCommand((str(PYTHON), "-V"), tmp_path)) == str(PYTHON)


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ("python -I -m uvicorn main:app", ["I"]),
        ("python -bE serve.py -S", ["E"]),
        ("python -W ignore -S -m uvicorn", ["S"]),
        ("python -X dev -I main.py", ["I"]),
        ("python -m uvicorn -I", []),
        ("python -mSEI", []),
        ("python -Wignore::ImportWarning main.py -E", []),
        ("python main.py", []),
    ],
)
def test_the_options_of_python_that_keep_the_probe_out(words: str, options: list[str]) -> None:
    assert find_options(words.split()) == options


def build_report(pid: int, *ports: int) -> ProcessReport:
    listens = tuple(("127.0.0.1", each) for each in ports)
    return ProcessReport(
        pid, 1, "3.11.7", "python", True, "", {}, "uvicorn", "hook", "main.app", "asgi", "/srv",
        listens, False, False, STARTED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "listeners", "reports", "chosen"),
    [
        ("serve", {5: (80,)}, [build_report(5)], {80}),
        ("serve", {5: (80, 90)}, [build_report(5, 90)], {90}),  # its hook reports it
        ("serve", {5: (80,), 6: (90,)}, [build_report(6)], {90}),  # its own process listens there
        ("serve --port 80", {5: (80, 90)}, [build_report(5)], {80}),  # its command line names it
        ("serve", {5: (80, 90)}, [build_report(5)], {80, 90}),  # nothing distinguishes them
        ("serve --port 80", {5: (80,), 6: (90,)}, [build_report(6)], {90}),
    ],
)
def test_the_port_is_the_asgi_servers(
    words: str,
    listeners: dict[int, tuple[int, ...]],
    reports: list[ProcessReport],
    chosen: set[int],
) -> None:
    command = AuditedCommand(tuple(words.split()), Path())
    found = [Listener(pid, "127.0.0.1", port) for pid, ports in listeners.items() for port in ports]
    assert choose_ports(command, found, reports) == chosen


def test_other_ports_of_the_service_are_named_unless_one_was_given() -> None:
    reports = [build_report(5, 80, 90), build_report(6, 80)]
    (warning,) = warn_of_other_ports("http://127.0.0.1:80", reports, None)
    assert "port 90" in warning
    assert not list(warn_of_other_ports("http://127.0.0.1:80", reports, 80))


PROXIED = [Listener(5, "127.0.0.1", 80), Listener(6, "127.0.0.1", 90)]
ON_UNIX = replace(build_report(6), unix=("u.sock",))


@pytest.mark.parametrize(
    ("words", "report", "port", "left"),
    [
        ("serve", build_report(6), None, {80, 90}),  # its hook knows no sockets
        ("serve", ON_UNIX, None, {80}),  # another process, such as a proxy, has this one
        ("serve", ON_UNIX, 90, {80, 90}),  # the user wants it
        ("serve", replace(build_report(6, 90), unix=("u.sock",)), None, {80, 90}),
        ("serve -b unix:u.sock", build_report(6), None, {80}),
        ("serve --uds=u.sock", build_report(6), None, {80}),
        ("serve -bunix:u.sock -b:90", build_report(6), None, {80, 90}),
        ("serve --uds=u.sock", build_report(6, 90), None, {80, 90}),
    ],
)
def test_a_port_that_its_server_did_not_open_is_no_services(
    words: str, report: ProcessReport, port: int | None, left: set[int]
) -> None:
    command = AuditedCommand(tuple(words.split()), Path())
    assert {each.port for each in drop_other_ports(command, PROXIED, [report], port)} == left


def test_a_started_server_has_a_moment_to_report_its_sockets() -> None:
    """Its app may have opened a port at startup that is not the server's."""
    written = time()
    assert not replace(build_report(5), written=written).is_ready()
    assert replace(build_report(5), written=written - SETTLED_S - 0.1).is_ready()
    assert replace(build_report(5, 80), written=written).is_ready()
    assert replace(ON_UNIX, written=written).is_ready()


@pytest.mark.parametrize(
    ("mode", "user", "group", "may"),
    [
        (0o700, 0, 0, True),
        (0o700, 65534, 65534, False),
        (0o711, 65534, 65534, True),
        (0o710, 65534, 7, True),
        (0o701, 65534, 7, False),
        (0o611, 5, 7, False),
        (0o500, 5, 7, True),
    ],
)
def test_who_may_enter_a_folder(mode: int, user: int, group: int, may: bool) -> None:
    folder = os.stat_result((mode, 0, 0, 0, 5, 7, 0, 0, 0, 0))
    assert may_enter(folder, user, group) is may


@pytest.mark.parametrize(
    "line",
    [
        "the probe is switched off after an error: PermissionError(13, 'Permission denied')",
        "the probe cannot attach to the app: OSError('no')",
    ],
)
def test_the_probe_s_own_words_are_the_reason(line: str, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(f"INFO: started\n[error] {line}\nTraceback\n")
    assert find_fault(log) == line


@pytest.mark.parametrize(
    ("words", "cure"),
    [
        ("KeyError: 'TOKEN'", "set it before the audit"),
        ("KeyError: 'token'", ""),  # not a variable's name
        ("ModuleNotFoundError: No module named 'fastapi'", "--python PATH"),
        ("/usr/bin/python3: No module named uvicorn", "the Python that has uvicorn"),
        ("[Errno 98] ... ('127.0.0.1', 1): address already in use", "another port"),
        ("Connection in use: ('0.0.0.0', 1)", "another port"),
        ("Can't connect to ('0.0.0.0', 1)", ""),  # nobody has it: it may be forbidden
        ("Can't connect to MySQL server on 'localhost' ([Errno 111] Connection refused)", ""),
        ("Can't connect to HTTPS URL because the SSL module is not available.", ""),
        ("RuntimeError: no", ""),
    ],
)
def test_what_to_do_is_said_where_the_words_leave_no_doubt(words: str, cure: str) -> None:
    said = describe_cure(AuditedCommand((str(PYTHON), "main.py"), Path()), words)
    assert cure in said if cure else said == ""


@pytest.mark.parametrize(
    ("why", "owner", "cure"),
    [
        ("Connection in use: ('', 8000)", " by it ({})", ". The port is taken by it (8000);"),
        ("Connection in use: ('', 8000)", "", ". The port is taken;"),  # by another user's program
        ("connection to ('', 8000) failed: [Errno 13] Permission denied", " by it ({})", " ("),
    ],
)
def test_why_gunicorn_cannot_bind_a_port_is_in_an_earlier_line(
    why: str, owner: str, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attach_errors, "describe_port_owner", owner.format)
    log = tmp_path / "server.log"
    log.write_text(f"[10:22:53] [ERROR] {why}\n[10:22:53] [ERROR] Can't connect to ('', 8000)\n")
    error = build_words_error(AuditedCommand(("gunicorn", "--bind", ":8000"), Path()), log, "ended")
    _, _, rest = str(error).partition("Can't connect to ('', 8000)")
    assert rest.startswith(cure)


@pytest.mark.parametrize(
    ("hosts", "accepting", "host"),
    [
        (("::1",), ("127.0.0.1", "::1"), "[::1]"),
        (("::1",), ("127.0.0.1",), None),
        (("127.0.0.1",), ("::1",), None),
        (("::",), ("127.0.0.1", "::1"), "127.0.0.1"),
        (("::",), ("::1",), "[::1]"),  # it has only IPv6
        (("::",), ("127.0.0.1",), "127.0.0.1"),
        (("::", "0.0.0.0"), ("127.0.0.1", "::1"), "127.0.0.1"),
        (("192.0.2.1",), ("127.0.0.1", "192.0.2.1"), "192.0.2.1"),
    ],
)
def test_the_load_goes_to_no_other_program_with_the_port(
    hosts: tuple[str, ...],
    accepting: tuple[str, ...],
    host: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def connect(address: tuple[str, int], _timeout: float) -> AbstractContextManager[None]:
        if address[0] not in accepting:
            raise ConnectionRefusedError
        return nullcontext()

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(listening, "may_have_ipv4_listener", lambda _: False)
    url = build_url(Listener(1, each, 8000) for each in hosts)
    assert url == (host and f"http://{host}:8000")


def test_the_ipv4_address_of_another_program_gets_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_: nullcontext())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert build_url([Listener(1, "::", port)]) == f"http://[::1]:{port}"


def test_the_users_own_traffic_is_watched_for_the_given_time_or_without_end() -> None:
    assert build_load("none", None, 30.0, None).duration_s == 30.0
    assert build_load("none", None, None, None).duration_s == inf
    assert build_load(None, None, None, None) == AuditLoad(0.0)
    assert build_load("requests", 5, 2.0, 1.0) == AuditLoad(0.0, 5, 2.0, 1.0)


def test_a_package_that_is_missing_for_an_option_is_not_looked_for_elsewhere() -> None:
    command = AuditedCommand((str(PYTHON), "-S", "-m", "uvicorn"), Path())
    assert "-S hides the installed packages" in describe_cure(command, "No module named uvicorn")


def test_a_target_without_an_interpreter_gets_that_of_the_active_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path))
    assert find_active_interpreter() == PYTHON  # an environment that was removed
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(PYTHON)
    assert find_active_interpreter() == tmp_path / "bin" / "python"
    monkeypatch.delenv("VIRTUAL_ENV")
    assert find_active_interpreter() == PYTHON


def test_debug_variables_of_python_are_recorded_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in DEBUGGING:
        monkeypatch.delenv(name, raising=False)
    command = AuditedCommand(("python", "main.py"), tmp_path)
    monkeypatch.setenv("PYTHONMALLOC", "malloc")
    monkeypatch.setenv("PYTHONDEVMODE", "0")
    assert not list(warn_of_debugging(command))
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "0")  # any text switches it on
    monkeypatch.setenv("PYTHONMALLOC", "debug")
    order = AuditOrder(
        command, "", None, RequestOptions(), AuditLoad(0.0), tmp_path, recorded_command=""
    )
    audit = Audit(order, create_run(tmp_path, KIND), Interruption(), QuietDisplay())
    (said,) = audit.build_record().warnings
    assert said.endswith("its environment sets PYTHONASYNCIODEBUG, PYTHONMALLOC.")
    assert not list(warn_of_debugging(None))  # a running server has variables of its own
    assert collect_environment()["debugging"] == "PYTHONASYNCIODEBUG, PYTHONMALLOC"
