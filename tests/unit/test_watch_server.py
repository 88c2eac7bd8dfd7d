"""Processes of a service that start and end, with processes of the test."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from records.server import WorkerEnd
from stress.audit.audited_app import AuditedApp
from stress.audit.command import AuditedCommand
from stress.audit.watch_server import ServerWatch
from stress.processes import Process


@contextmanager
def start_worker(raw: Path) -> Iterator[subprocess.Popen[bytes]]:
    """It reports itself and waits until it is killed."""
    argv = (sys.executable, "-c", "input()")
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as worker:
        (raw / f"attach-{worker.pid}-10.500000.json").touch()
        yield worker
        worker.kill()


def build_watch(raw: Path) -> ServerWatch:
    process = Process("app", raw / "server.log")
    return ServerWatch(AuditedApp(AuditedCommand((), raw), raw, process, "http://127.0.0.1:1"), 0.0)


def test_the_server_s_word_and_the_moment_of_the_end_are_one_entry(tmp_path: Path) -> None:
    watch = build_watch(tmp_path)
    with start_worker(tmp_path) as worker:
        watch.look_for_ends(1.0)
        assert watch.build_record().ends == ()
        said = (
            f"[1] [CRITICAL] WORKER TIMEOUT (pid:{worker.pid})\n"
            "[1] [CRITICAL] WORKER TIMEOUT (pid:1)\n"
        )
        watch.log.path.write_text(said)
        watch.look_for_ends(2.0)
        assert watch.build_record().ends == (WorkerEnd(worker.pid, 2.0, "timeout"),)
        worker.kill()
        worker.wait()
        watch.log.path.write_text(f"{said}Worker (pid:{worker.pid}) was sent SIGKILL!\n")
        watch.look_for_ends(3.0)
        watch.look_for_ends(4.0)
        expected = WorkerEnd(worker.pid, 2.0, "timeout", gone_s=3.0)
        assert watch.build_record().ends == (expected,)


def test_an_end_that_the_server_explains_later_keeps_its_moment(tmp_path: Path) -> None:
    watch = build_watch(tmp_path)
    with start_worker(tmp_path) as worker:
        worker.kill()
        worker.wait()
        watch.look_for_ends(1.0)
        assert watch.build_record().ends == (WorkerEnd(worker.pid, 1.0, gone_s=1.0),)
        watch.log.path.write_text(f"Worker (pid:{worker.pid}) exited with code 3.\n")
        watch.look_for_ends(2.0)
        expected = WorkerEnd(worker.pid, 1.0, "exit", "3", gone_s=1.0)
        assert watch.build_record().ends == (expected,)
