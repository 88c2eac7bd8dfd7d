"""The scripts as users call them, and the served stack."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.process.support import ROOT, SMALL, cells, only_run, running, study, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]
SHELLS = {
    Path(path).resolve(): shell for shell in ("dash", "sh") if (path := shutil.which(shell))
}.values()  # on Debian both are the same
STYLES = ("sync_http", "async_http", "async_http_sync", "sync_json", "async_json")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def script(shell: str, path: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (shell, path, *arguments), cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def serving(out: Path, port: int, *options: str) -> Iterator[None]:
    with running(out, "serve", "--port", str(port), "--out", str(out), *options) as server:
        wait_for(lambda: "serving http" in server.text(), "the server's own word")
        yield
        server.send(signal.SIGINT)
        assert server.finish() == 130
    assert not (out / "serve.json").exists()


def test_every_style_has_its_script() -> None:
    for style in STYLES:
        text = (ROOT / "stress" / f"stress_{style}.sh").read_text()
        assert f"run {style.replace('_', '-')} --served" in text
        assert text.startswith("#!/bin/sh\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_works_in_the_folder_where_the_user_stands(shell: str, tmp_path: Path) -> None:
    here = tmp_path / "a folder"
    here.mkdir()
    done = script(shell, str(ROOT / "stress" / "stress_async_http.sh"), *SMALL, "--client",
                  "httpx2", "--port", "0", "--out", "an out", cwd=here)  # fmt: skip
    assert done.returncode == 0, done.stderr
    (cell,) = cells(here / "an out")  # with a space: arguments are quoted on the way
    assert cell["scenario"] == "async-http-httpx2"
    assert "no server runs (there is no an out/serve.json)" in done.stderr
    name, _, path = done.stdout.splitlines()[-1].partition(": ")
    assert (name, here / path) == ("Folder", only_run(here / "an out"))


def test_a_script_passes_wrong_use_through() -> None:
    done = script("sh", "stress/stress_sync_json.sh", "--users", "none", cwd=ROOT)
    assert done.returncode == 2
    assert "--users" in done.stderr


def test_the_script_drives_the_server_that_serves(tmp_path: Path) -> None:
    """Both the http and the json script work with the same running stack."""
    port = free_port()
    out = tmp_path / "out"
    with serving(out, port, "--delay", "50ms"):
        note = json.loads((out / "serve.json").read_text())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/async/http/", timeout=5) as answer:
            assert answer.read() == b"Waited for 50 milliseconds"
        for name in ("async-http", "sync-json"):
            options = SMALL if name == "async-http" else (*SMALL[:2], *SMALL[4:])
            done = study("run", name, "--served", *options, "--out", str(out))
            assert done.returncode == 0, done.stderr
            assert f"measuring the server that already runs on port {port}" in done.stderr
        os.kill(note["pids"]["server"], 0)  # it is alive, and the study must not end it
    runs = sorted(each for each in out.iterdir() if "-serve" not in each.name)
    for directory in runs:
        (cell,) = json.loads((directory / "summary.json").read_text())["cells"]
        assert cell["requests"] > 0
        assert cell["failures"] == 0
        # handlers of earlier runs on the same server are not counted here
        assert cell["fates"]["app_received"] == cell["fates"]["sent"]
        assert list(directory.glob("cells/*/raw/journals/probe-*.journal"))


def test_a_server_with_other_settings_is_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "out"
    port = free_port()
    with serving(out, port, "--delay", "50ms", "--pool", "7"):
        done = study("run", "sync-http", "--served", *SMALL, "--out", str(out))
        again = study("serve", "--port", "0", "--out", str(out))
        fresh = study("run", "async-sleep", "--port", str(port), "--out", str(out))
    assert done.returncode == 2
    assert "pool is 7, wanted 40" in done.stderr
    assert done.stderr.count("\n") == 1
    assert again.returncode == 2
    assert "a server already runs on port" in again.stderr
    assert fresh.returncode == 3  # `study run` starts a fresh server, and the port is taken
    assert f"port {port} is taken by " in fresh.stderr


def test_a_run_file_of_a_server_that_is_gone_is_not_believed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(out, free_port(), "--delay", "50ms"):
        note = (out / "serve.json").read_text()
    (out / "serve.json").write_text(note)
    done = study("run", "async-sleep", "--served", *SMALL, "--port", "0", "--out", str(out))
    assert done.returncode == 0, done.stderr


def test_a_script_called_through_a_link_from_a_path_with_a_blank(tmp_path: Path) -> None:
    linked = tmp_path / "a link.sh"
    linked.symlink_to(ROOT / "stress" / "stress_sync_json.sh")
    done = script("sh", str(linked), "--users", "none", cwd=tmp_path)
    assert done.returncode == 2
    assert "--users" in done.stderr


def test_list_and_doctor_speak() -> None:
    listed = study("list", "fair")
    assert listed.returncode == 0
    assert "async-http-sync-shared" in listed.stdout
    examined = study("doctor", "--port", "0")
    assert examined.returncode == 0
    assert "descriptors" in examined.stdout


def test_the_upstream_by_hand() -> None:
    done = study("upstream", "--upstream", "python", "--port", "none", env={})
    assert done.returncode == 2
    assert "--port" in done.stderr


def test_setup_does_nothing_when_it_is_up_to_date() -> None:
    done = script("sh", "setup.sh", cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
