"""What macOS lacks, removed here: unknown values are reported as unknown, and nothing breaks."""

import os
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import psutil
import pytest
from asgi_probe import process_census

from scenarios.errors import UserError
from stress import databases, machine
from stress.machine import OUTGOING, find_free_port, list_listening_pids
from stress.processes import LAUNCHER
from stress.resource_monitor import sample_machine, sample_process
from stress.stack import Stack
from study import doctor
from study.machine_facts import read_cpu_model

MacTimes = namedtuple("MacTimes", "user nice system idle")
"""psutil's on macOS."""


@pytest.fixture
def mac(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No /proc, no rlimit of other processes, and only root sees which process listens."""

    def refuse(*_: object) -> object:
        raise psutil.AccessDenied

    def read_what_is_there(path: Path, encoding: str | None = None) -> str:
        if path.is_relative_to("/proc"):
            raise FileNotFoundError(path)
        return read(path, encoding)

    read = Path.read_text
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(psutil, "net_connections", refuse)
    monkeypatch.delattr(psutil.Process, "rlimit")
    monkeypatch.setattr(Path, "read_text", read_what_is_there)
    return monkeypatch


def test_time_that_was_stolen_is_unknown_and_not_zero(mac: pytest.MonkeyPatch) -> None:
    mac.setattr(psutil, "cpu_times", lambda: MacTimes(5.0, 1.0, 2.0, 9.0))
    assert sample_machine(3.0) == [(3.0, "machine", 0, 8.0, 0, 0, 0)]


@pytest.mark.usefixtures("mac")
def test_a_process_is_still_measured() -> None:
    _, role, pid, cpu_s, rss_bytes, *_ = sample_process(1.0, "server", psutil.Process())
    assert (role, pid) == ("server", os.getpid())
    assert cpu_s > 0
    assert rss_bytes > 0


@pytest.mark.usefixtures("mac")
def test_who_has_a_port_is_not_told_and_that_it_is_taken_is() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert list_listening_pids(port) == []
        with pytest.raises(UserError, match=f"port {port} is taken; stop that program"):
            find_free_port(port)


@pytest.mark.usefixtures("mac")
def test_a_servers_own_limit_of_descriptors_is_taken_to_be_ours(tmp_path: Path) -> None:
    assert Stack(1, tmp_path, None).read_descriptor_limit(256) == 256


def test_the_processor_has_the_name_that_python_knows(mac: pytest.MonkeyPatch) -> None:
    mac.setattr("platform.processor", lambda: "arm")
    assert read_cpu_model() == "arm"


def test_the_probe_knows_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> object:
        raise FileNotFoundError

    monkeypatch.setattr("os.open", refuse)
    memory = process_census.read_resident_bytes()
    assert memory != memory  # NaN


@pytest.mark.usefixtures("mac")
def test_doctor_says_what_is_coarser() -> None:
    (system,) = [each for each in doctor.check_machine() if each.what == "system"]
    assert not system.good
    assert not system.needed
    assert "docs/install.md" in system.advice


def test_a_program_is_started_without_being_tied_to_its_parent() -> None:
    """On Linux it would end here: its parent is not process 0."""
    words = f"import runpy, sys; sys.platform = 'darwin'; sys.argv = ['', '0', 'true']; \
runpy.run_path({str(LAUNCHER)!r})"
    assert subprocess.run((sys.executable, "-c", words), timeout=30).returncode == 0


def test_postgresql_as_root_without_setpriv_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UserError, match="setpriv"):
        databases.check_nobody_available()


def test_a_free_port_is_none_that_an_outgoing_connection_gets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A load of thousands of connections took the port of a server that was about to start."""
    if OUTGOING.exists():
        assert find_free_port(0) < int(OUTGOING.read_text().split()[0])
    monkeypatch.setattr(machine, "OUTGOING", tmp_path / "unknown")
    assert find_free_port(0) > 0
