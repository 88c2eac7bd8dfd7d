"""Checks that another interpreter has the packages to run the server."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache

from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import APP_TARGETS, Server
from stress.places import PROBE_FOLDER, find_specimen_folder, put_first
from stress.processes import clean_environment, set_aside
from stress.servers import find_adapter, find_python

CHECK_WITHIN_S = 30.0


@cache
def check_interpreter(server: Server) -> None:
    """Import the server's modules in that interpreter. Raises UserError with the reason."""
    python = find_python(server)
    module = APP_TARGETS.get(server.app, server.app).partition(":")[0]
    packages = [each.replace("-", "_") for each in find_adapter(server.kind).packages]
    code = f"import {', '.join(['asgi_probe', *packages, module])}"
    given = {**set_aside, **os.environ} if server.has_users_app else clean_environment(os.environ)
    path = put_first(PROBE_FOLDER) if server.has_users_app else str(PROBE_FOLDER)
    environment = {**given, "PYTHONPATH": path}
    try:
        exit_code, said = run_check((python, "-c", code), server.folder, environment)
    except OSError as error:
        raise UserError(f"--python {server.python}: cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise build_cannot_run_error(
            f"--python {server.python}: did not import the app within {CHECK_WITHIN_S:.0f} s"
        ) from error
    if exit_code:
        reason = (said.strip().splitlines() or ["it gave no reason"])[-1]
        raise build_cannot_run_error(
            f"--python {server.python}: it cannot run the server: {reason}. Install the missing "
            "packages there, or give another Python"
        )


def run_check(argv: Sequence[str], folder: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run the program; return its exit code and what it wrote to stderr. Raises OSError,
    TimeoutExpired."""
    with subprocess.Popen(
        argv, cwd=folder or find_specimen_folder(), env=environment, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            _, said = process.communicate(timeout=CHECK_WITHIN_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a wrapper's interpreter is its child
    return process.returncode, said
