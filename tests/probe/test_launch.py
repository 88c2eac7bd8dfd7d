"""The launcher's process becomes the command, with the probe in it."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asgi_probe
import pytest
from asgi_probe.encode_json import encode_json
from asgi_probe.journal_files import LAUNCH_FILE, list_starts
from asgi_probe.launch import SITE_FOLDER, choose_folder, create_folder, launch

HOME = Path(asgi_probe.__file__).parent.parent
SHOW = "import os, json, sys; print(json.dumps([os.getpid(), dict(os.environ), list(sys.modules)]))"


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        (sys.executable, "-m", "asgi_probe", *words), cwd=folder, text=True,
        env={**os.environ, "PYTHONPATH": str(HOME), "MINE": "kept"}, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, *words: str) -> tuple[int, str, str]:
    process = start(folder, *words)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_the_command_keeps_the_pid_and_gets_the_probe(tmp_path: Path) -> None:
    process = start(tmp_path, "run", "--directory", "j", "--", sys.executable, "-c", SHOW)
    out, err = process.communicate(timeout=30)
    pid, variables, modules = json.loads(out)
    assert pid == process.pid
    assert "asgi_probe.import_hook" in modules
    assert variables["ASGI_PROBE_DIR"] == str(tmp_path / "j")
    assert variables["PYTHONPATH"] == f"{SITE_FOLDER}{os.pathsep}{HOME}"
    assert variables["MINE"] == "kept"
    assert err == f"asgi-probe: writes to {tmp_path}/j\n"


def test_without_a_folder_it_makes_one_named_by_the_time(tmp_path: Path) -> None:
    assert run(tmp_path, "run", "--", sys.executable, "-c", "raise SystemExit(7)")[0] == 7
    (folder,) = tmp_path.glob("asgi-probe-*Z")
    assert (folder / LAUNCH_FILE).is_file()


def test_starts_in_the_same_second_have_their_own_folders(tmp_path: Path) -> None:
    wanted = tmp_path / "asgi-probe-now"
    names = [create_folder(wanted).name for _ in range(3)]
    assert names == ["asgi-probe-now", "asgi-probe-now-2", "asgi-probe-now-3"]


def test_a_second_start_writes_to_a_folder_of_its_own(tmp_path: Path) -> None:
    """A restarted container has the same pid again: its rows must not meet the earlier ones."""
    (tmp_path / "probe-1-2.000.journal").touch()
    words = ("run", "--directory", str(tmp_path), "--", sys.executable, "-c", SHOW)
    used = json.loads(run(tmp_path, *words)[1])[1]["ASGI_PROBE_DIR"]
    assert Path(used).parent == tmp_path
    assert (Path(used) / LAUNCH_FILE).is_file()
    assert list_starts(Path(used)) == list_starts(tmp_path) == [tmp_path, Path(used)]


def test_a_pipe_with_the_name_of_the_note_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / LAUNCH_FILE)
    words = ("run", "--directory", str(tmp_path), "--", sys.executable, "-c", SHOW)
    code, _, err = run(tmp_path, *words)
    assert code == 2
    assert "has other files, such as launch.json" in err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its user")
def test_a_start_whose_journals_were_removed_keeps_its_folder(tmp_path: Path) -> None:
    """A later start removes the oldest journals; the next one must not write over launch.json."""
    inner = tmp_path / "20261129T061500Z"
    inner.mkdir()
    (inner / "launch.json").write_text("{}")
    assert choose_folder(tmp_path).parent == tmp_path


def test_folders_that_the_user_named_by_time_are_no_starts_of_one_folder(tmp_path: Path) -> None:
    for name in ("20261129T061500Z", "20261130T061500Z"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "launch.json").write_text("{}")
    assert list_starts(tmp_path / "20261130T061500Z") == [tmp_path / "20261130T061500Z"]


def test_a_second_start_s_folder_is_of_the_same_user(tmp_path: Path) -> None:
    """Root restarts the service, which goes on as the user of the first folder."""
    (tmp_path / "of-user").mkdir()
    (tmp_path / "of-user" / "probe-1-2.000.journal").touch()
    os.chown(tmp_path / "of-user", 65534, 65534)
    for given, owner in (("of-user", 65534), ("first", 0)):
        words = ("run", "--directory", given, "--", sys.executable, "-c", SHOW)
        used = json.loads(run(tmp_path, *words)[1])[1]["ASGI_PROBE_DIR"]
        assert Path(used).stat().st_uid == owner


def test_under_another_probe_it_leaves_that_one_in_place(tmp_path: Path) -> None:
    """`study audit` sets the folder and the probe for its command, whatever starts the service."""
    inner = (sys.executable, "-m", "asgi_probe", "run", "--directory", "inner", "--")
    words = ("run", "--directory", "outer", "--", *inner, sys.executable, "-c", SHOW)
    _, out, err = run(tmp_path, *words)
    variables = json.loads(out)[1]
    assert variables["ASGI_PROBE_DIR"] == str(tmp_path / "outer")
    assert variables["PYTHONPATH"] == f"{SITE_FOLDER}{os.pathsep}{HOME}"
    assert err.endswith(f"asgi-probe: the outer probe writes to {tmp_path}/outer\n")
    assert not (tmp_path / "inner").exists()


@pytest.mark.parametrize(
    ("name", "content"), [(LAUNCH_FILE, '{"version": "0.2.0"}'), (LAUNCH_FILE, "//"), ("a.py", "")]
)
def test_a_folder_of_the_users_own_files_is_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content)
    code, out, err = run(tmp_path, "run", "--directory", ".", "--", sys.executable, "-c", SHOW)
    assert (code, out) == (2, "")
    assert err == (
        f"asgi-probe: {tmp_path} has other files, such as {name}; name a folder for the journals "
        f"alone: --directory {tmp_path}/asgi-probe\n"
    )
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {name: content}


def test_a_folder_in_which_an_earlier_start_wrote_is_taken_again(tmp_path: Path) -> None:
    """Without a journal: it got no request. Its service may write a log there."""
    (tmp_path / "lost+found").mkdir()
    (tmp_path / ".gitkeep").touch()
    (tmp_path / "attach-7-123.456789.json").touch()
    words = ("run", "--directory", ".", "--", sys.executable, "-c", SHOW)
    for _ in range(2):
        assert json.loads(run(tmp_path, *words)[1])[1]["ASGI_PROBE_DIR"] == str(tmp_path)
        (tmp_path / "service.log").touch()
    assert not list(tmp_path.glob("2*Z"))


def test_in_a_removed_folder_it_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    code = (
        "import os, sys; from asgi_probe.__main__ import main\n"  # Python 3.13 cannot import there
        "os.chdir('gone'); os.rmdir('../gone')\n"
        "sys.exit(main(['run', *sys.argv[1:], '--', 'true']))"
    )
    for words in ((), ("--socket", "s"), ("--directory", "/tmp")):
        done = subprocess.run(
            (sys.executable, "-c", code, *words), cwd=tmp_path / "gone" / "..", text=True,
            env={**os.environ, "PYTHONPATH": str(HOME)}, capture_output=True, timeout=30,
            check=False,
        )  # fmt: skip
        assert done.stderr == "asgi-probe: this folder was removed; change to another one\n"
        assert done.returncode == 2
        (tmp_path / "gone").mkdir()


def test_signals_reach_the_command_and_none_is_ignored(tmp_path: Path) -> None:
    code = (
        "import os, signal; print(signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN, flush=True)\n"
        "signal.pause()"
    )
    # Python itself ignores SIGPIPE again, so the shell says what it got
    process = start(
        tmp_path, "run", "--", "sh", "-c",
        'grep SigIgn /proc/self/status 2>/dev/null; exec "$0" -c "$1"', sys.executable, code,
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    if lines[0].startswith("SigIgn"):  # Linux
        assert int(lines.pop().split()[1], 16) & 1 << signal.SIGPIPE - 1 == 0
        lines.append(process.stdout.readline())
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGTERM


def test_a_full_disk_does_not_keep_the_service_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    started: list[object] = []
    monkeypatch.setattr(Path, "write_bytes", write)
    monkeypatch.setattr(os, "execve", lambda program, *_: started.append(program))
    monkeypatch.setattr("asgi_probe.launch.restore_signals", lambda: None)
    launch([sys.executable], tmp_path, {})
    assert started == [sys.executable]
    assert "No space left on device; the service starts" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["/dev/full", "&-"])
def test_a_service_starts_without_a_writable_stderr(tmp_path: Path, target: str) -> None:
    if not target.startswith("&") and not Path(target).exists():
        pytest.skip("no /dev/full here")
    done = subprocess.run(
        ("sh", "-c", f'exec "$0" "$@" 2>{target}', sys.executable, "-m", "asgi_probe", "run",
         "--directory", "j", "--", sys.executable, "-c", "print('started')"),
        cwd=tmp_path, text=True, env={**os.environ, "PYTHONPATH": str(HOME)},
        stdout=subprocess.PIPE, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "started\n")


def test_names_that_are_not_utf8_are_noted_as_text(tmp_path: Path) -> None:
    """Half of a character is no JSON text for many readers."""
    assert json.loads(encode_json({"a": [("\udcff", 1, None)], "b": "é😀"})) == {
        "a": [["\\udcff", 1, None]],
        "b": "é😀",
    }
    folder = tmp_path / os.fsdecode(b"n\xff\xe9")
    folder.mkdir()
    run(folder, "run", "--directory", "j", "--", sys.executable, "-c", "", folder.name)
    noted = json.loads((folder / "j" / LAUNCH_FILE).read_bytes())
    assert noted["folder"] == f"{tmp_path}/n\\udcff\\udce9"


def test_values_of_variables_are_not_noted(tmp_path: Path) -> None:
    run(tmp_path, "run", "--directory", "j", "--", "env", "TOKEN=s3cret", "true")
    noted = (tmp_path / "j" / LAUNCH_FILE).read_text()
    assert "TOKEN=..." in noted
    assert "s3cret" not in noted


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("run",), "no command; give it after --: python -m asgi_probe run"),
        (("run", "--"), "no command; give it after --"),
        (("run", "--", "no-such-program"), "'no-such-program' is not a program"),
        (("run", "--folder", "x", "--", "true"), "unrecognized arguments: --folder x"),
        (("run", "true"), "unrecognized arguments: true"),
        (("run", "--directory", "file", "--", "true"), "{folder}/file: File exists"),
        (("run", "--listen", "x", "--", "true"), "'x' is not an address"),
        (("run", "--listen", "{port}", "--", "true"), "{port}: cannot listen there: Address"),
        (("run", "--socket", "file", "--", "true"), "{folder}/file: cannot listen there: another"),
        (("run", "--socket", "s", "--", "no-such-program"), "'no-such-program' is not a program"),
        (("run", "--socket", "no/s", "--", "true"), "{folder}/no/s: cannot listen there: No such"),
        (("run", "--socket", "s", "--listen", "1", "--", "true"), "argument --listen: not allowed"),
        (("walk",), "argument COMMAND: invalid choice: 'walk'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_use_is_one_line(tmp_path: Path, words: tuple[str, ...], line: str) -> None:
    (tmp_path / "file").touch()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = run(tmp_path, *(word.format(port=port) for word in words))
    assert (code, out) == (2, "")
    assert err.startswith("asgi-probe: " + line.format(folder=tmp_path, port=port))
    assert err.count("\n") == 1
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
