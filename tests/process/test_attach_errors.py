"""Commands that cannot be audited: each gives one clear line, and no process is left."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer

import psutil
import pytest

from records.build_tables import read_journals
from scenarios.errors import CANNOT, WRONG_USE, UserError
from stress.audit.attach import start_audited_app
from stress.audit.audited_app import find_processes
from stress.audit.command import AuditedCommand
from stress.audit.driven import IN_BACKGROUND
from stress.interruption import CellInterruptedError, Interruption
from stress.machine import find_free_port
from stress.places import PROBE_FOLDER

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(170)]

PYTHON = sys.executable
MODULES = {
    "needs": "import os\nTOKEN = os.environ['SERVICE_TOKEN']\n",
    "lacks": "import no_such_package\n",
    "wsgi": "def app(environ, start_response): ...\n",
    "factories": "from fastapi import FastAPI\ndef create(): return FastAPI()\nnumber = 3\n",
    "ends": "print('nothing to do')\n",
    "plain": "from fastapi import FastAPI\napp = FastAPI()\n",
    "by_hand": (
        "from fastapi import FastAPI\napp = FastAPI()\n"
        f"import sys; sys.path.insert(0, {str(PROBE_FOLDER)!r}); import asgi_probe; "
        "app = asgi_probe.Probe(app)\n"
    ),
    "other": (
        "import sys\nfrom http.server import HTTPServer, BaseHTTPRequestHandler as Handler\n"
        "HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    ),
    "fails": (
        "from contextlib import asynccontextmanager\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def lifespan(app):\n"
        "    raise RuntimeError('no database')\n    yield\napp = FastAPI(lifespan=lifespan)\n"
    ),
    "metrics": (
        "from contextlib import asynccontextmanager\nfrom threading import Thread\n"
        "from http.server import HTTPServer, BaseHTTPRequestHandler\nfrom fastapi import FastAPI\n"
        "@asynccontextmanager\nasync def lifespan(app):\n"
        "    server = HTTPServer(('127.0.0.1', 0), BaseHTTPRequestHandler)\n"
        "    Thread(target=server.serve_forever, daemon=True).start()\n"
        "    yield\n    server.shutdown()\napp = FastAPI(lifespan=lifespan)\n"
    ),
    "daemons": (
        "import os\nimport sys\nimport time\nimport uvicorn\n"
        "def go_to_the_background():\n"
        "    fields = open('/proc/self/stat').read().rsplit(')', 1)[1].split()\n"
        "    start, end = map(int, fields[47:49])\n"
        "    with open('/proc/self/mem', 'r+b', buffering=0) as memory:\n"
        "        memory.seek(start)\n        memory.write(bytes(end - start))\n"
        "if not os.fork():\n"
        "    if os.fork():\n        os._exit(0)\n"
        "    os.setsid()\n"
        "    if sys.argv[1] == 'helper' or not os.fork():\n"
        "        go_to_the_background()\n"
        "        open('pid', 'w').write(str(os.getpid()))\n"
        "        if sys.argv[1] == 'server':\n"
        "            uvicorn.run('plain:app', port=int(sys.argv[2]))\n"
        "        time.sleep(600)\n    os._exit(0)\n"
        "if sys.argv[1] == 'helper':\n    uvicorn.run('plain:app', port=int(sys.argv[2]))\n"
        "time.sleep(600)\n"
    ),
    "drops": (
        "import os\nimport sys\nimport uvicorn\n"
        "config = uvicorn.Config('plain:app', port=int(sys.argv[1]), loop='asyncio', http='h11')\n"
        "config.load()\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"
        "uvicorn.Server(config).run()\n"
    ),
    "reloads": (
        "import sys\nimport uvicorn\nif __name__ == '__main__':\n"
        "    uvicorn.run('plain:app', port=int(sys.argv[1]), reload=True)\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def fail_to_start(folder: Path, *argv: str) -> UserError:
    """The error of a command that has no process left."""
    with pytest.raises(UserError) as failed:
        start_audited_app(AuditedCommand(argv, folder), folder / "raw", Interruption())
    assert not find_processes(folder / "raw")
    assert "\n" not in str(failed.value)
    assert str(folder / "raw") not in str(failed.value)  # an audit that fails removes its folder
    return failed.value


SERVED = (
    "-m uvicorn {}",
    "-m hypercorn {}",
    "-m granian --interface asgi {}",
    "-m gunicorn -k asgi {}",
)


@pytest.mark.parametrize("served", SERVED)
def test_an_app_that_needs_a_variable(served: str, folder: Path) -> None:
    error = fail_to_start(folder, PYTHON, *served.format("needs:app").split())
    assert "KeyError: 'SERVICE_TOKEN'. If the app needs the variable SERVICE_TOKEN" in str(error)
    assert error.exit_code == CANNOT


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        ("-m uvicorn needs:app --workers 2", "starts workers, and each one ends: KeyError", CANNOT),
        ("-m uvicorn lacks:app", f"No module named 'no_such_package'. {PYTHON} ran it", CANNOT),
        ("-m uvicorn nowhere:app", 'Could not import module "nowhere"', CANNOT),
        ("-m uvicorn fails:app", "RuntimeError: no database", CANNOT),
        ("-m uvicorn plain:app --prot 1", "No such option", CANNOT),
        ("-m no_such_server", "No module named no_such_server", CANNOT),
        ("ends.py", "ended before it served (exit code 0): nothing to do", CANNOT),
        ("-m uvicorn wsgi:app", "wsgi.app is a WSGI app", WRONG_USE),
        ("-m hypercorn wsgi:app", "wsgi.app is a WSGI app", WRONG_USE),
        ("-m gunicorn -k asgi factories:create", "factories.create takes no argument", WRONG_USE),
        ("-m uvicorn factories:number", "names a builtins.int, which is not", WRONG_USE),
        ("-m uvicorn plain:app --uds {folder}/socket", "listens on no TCP port", CANNOT),
        ("-m uvicorn metrics:app --uds {folder}/socket", "listens on no TCP port", CANNOT),
        ("-m gunicorn -k asgi metrics:app -b unix:{folder}/s", "listens on no TCP port", CANNOT),
        ("-m hypercorn metrics:app -b unix:{folder}/s", "listens on no TCP port", CANNOT),
        ("-m gunicorn -k asgi plain:app --daemon -b 127.0.0.1:{port}", IN_BACKGROUND, CANNOT),
        ("-m granian plain:app --port {port}", "start it with --interface asgi", WRONG_USE),
        ("reloads.py {port}", "restarts the app while it is measured", WRONG_USE),
        ("-I {folder}/other.py {port}", "runs with -I, which disables PYTHONPATH", CANNOT),
        ("-S {folder}/other.py {port}", "runs with -S, which disables sitecustomize", CANNOT),
        ("other.py {port}", "its server loads no ASGI app that the probe can see", CANNOT),
    ],
)
def test_the_app_s_own_last_words_are_in_the_line(
    words: str, says: str, code: int, folder: Path
) -> None:
    argv = words.format(port=find_free_port(0), folder=folder).split()
    error = fail_to_start(folder, PYTHON, *argv)
    assert says in str(error)
    assert error.exit_code == code


TLS = (
    "-m uvicorn plain:app --port {port} --ssl-keyfile {key} --ssl-certfile {certificate}",
    "-m gunicorn -k asgi plain:app -b 127.0.0.1:{port} --keyfile {key} --certfile {certificate}",
    "-m hypercorn plain:app -b 127.0.0.1:{port} --keyfile {key} --certfile {certificate}",
    "-m granian --interface asgi plain:app --port {port} --ssl-keyfile {key} "
    "--ssl-certificate {certificate}",
)


@pytest.mark.parametrize("words", TLS)
def test_a_server_with_tls_is_refused(words: str, folder: Path) -> None:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days=2", "-subj=/CN=test",
         "-keyout", key, "-out", certificate),
        check=True, capture_output=True,
    )  # fmt: skip
    argv = words.format(port=find_free_port(0), key=key, certificate=certificate).split()
    error = fail_to_start(folder, PYTHON, *argv)
    assert str(error) == "an audit uses plain HTTP; start the server without TLS"
    assert error.exit_code == WRONG_USE


def test_another_pythonpath_is_named_and_how_to_attach_by_hand(folder: Path) -> None:
    port = find_free_port(0)
    shell = f"PYTHONPATH=. exec {PYTHON} other.py {port}"
    error = fail_to_start(folder, "sh", "-c", shell)
    assert "its PYTHONPATH is not the one that the audit set" in str(error)
    assert str(error).endswith("import asgi_probe; app = asgi_probe.Probe(app)")


def test_an_isolated_python_is_seen_in_the_first_line_of_a_script(folder: Path) -> None:
    script = folder / "serve"
    script.write_text(f"#!{PYTHON} -E\n{MODULES['other']}")
    script.chmod(0o755)
    error = fail_to_start(folder, "./serve", str(find_free_port(0)))
    assert f"{PYTHON} runs with -E, which disables PYTHONPATH" in str(error)


def test_by_hand_it_is_attached_in_an_isolated_python(folder: Path) -> None:
    argv = (PYTHON, "-I", "-m", "uvicorn", f"--app-dir={folder}", "by_hand:app", "--port=0")
    with start_audited_app(AuditedCommand(argv, folder), folder / "raw", Interruption()) as app:
        assert [each.hook for each in app.attached] == ["by hand"]


@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux only")
@pytest.mark.parametrize("kind", ["server", "helper"])
def test_what_went_to_the_background_without_its_variables_ends(kind: str, folder: Path) -> None:
    """As a server with a title does: it has left the session, and has overwritten its variables."""
    argv = (PYTHON, "daemons.py", kind, str(find_free_port(0)))
    with start_audited_app(AuditedCommand(argv, folder), folder / "raw", Interruption()) as app:
        orphan = psutil.Process(int((folder / "pid").read_text()))
        assert orphan in app.list_processes()
        assert orphan not in find_processes(folder / "raw")
        if kind == "server":
            assert [each.pid for each in app.attached] == [orphan.pid]
    assert not orphan.is_running()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its user")
def test_a_service_that_drops_its_privileges_is_recorded(folder: Path) -> None:
    argv = (PYTHON, "drops.py", str(find_free_port(0)))
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        raw = Path(place, "raw")
        with start_audited_app(AuditedCommand(argv, folder), raw, Interruption()) as app:
            assert {each.stat().st_uid for each in app.raw.iterdir()} == {65534}
            assert stat.S_IMODE(raw.stat().st_mode) == 0o711  # its output is not for all to find
        assert read_journals(list(app.raw.glob("probe-*.journal")))[0]
        assert {stat.S_IMODE(each.stat().st_mode) for each in (raw, app.raw)} == {0o755}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may change its user")
def test_a_user_who_may_not_enter_the_folder_is_named(folder: Path) -> None:
    with TemporaryDirectory() as place:  # only its owner may enter
        argv = (PYTHON, str(folder / "drops.py"), str(find_free_port(0)))
        with pytest.raises(UserError, match=f"its user .* may not enter {place}; .*--out"):
            start_audited_app(AuditedCommand(argv, folder), Path(place, "raw"), Interruption())


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    "served",
    [
        "-m uvicorn plain:app --port {}",
        "-m hypercorn plain:app -b 127.0.0.1:{}",
        "-m gunicorn -k asgi plain:app -b 127.0.0.1:{}",
    ],
)
def test_a_port_in_use_and_who_has_it(served: str, folder: Path, taken_port: int) -> None:
    error = fail_to_start(folder, PYTHON, *served.format(taken_port).split())
    assert f"(pid {os.getpid()}); stop that program, or give the command another port" in str(error)
    assert error.exit_code == CANNOT


def test_only_its_own_processes_end(folder: Path) -> None:
    """Processes that left its session are ended too; an unrelated server continues."""
    with subprocess.Popen((PYTHON, "other.py", str(find_free_port(0))), cwd=folder) as stranger:
        try:
            argv = ("sh", "-c", f"setsid {PYTHON} -m uvicorn plain:app --port 0 & sleep 60")
            command = AuditedCommand(argv, folder)
            with start_audited_app(command, folder / "raw", Interruption()) as app:
                family = app.list_processes()
                served_by = {each.pid for each in app.attached}
            assert served_by <= {each.pid for each in family}
            assert not any(each.is_running() for each in family)
            assert psutil.Process(stranger.pid).is_running()
        finally:
            stranger.send_signal(signal.SIGKILL)


def test_an_interruption_ends_the_wait(folder: Path) -> None:
    interruption = Interruption()
    argv = (PYTHON, "-c", "import time; time.sleep(60)")
    timer = Timer(0.5, setattr, (interruption, "reason", "Ctrl-C"))
    timer.start()
    with pytest.raises(CellInterruptedError):
        start_audited_app(AuditedCommand(argv, folder), folder / "raw", interruption)
    timer.join()
    assert not find_processes(folder / "raw")
