"""One-line errors for everything that can keep a service from being audited."""

import contextlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from scenarios.errors import UserError, build_cannot_run_error
from scenarios.units import Second
from stress.audit.audited_app import AuditedApp
from stress.audit.command import AuditedCommand, find_interpreter
from stress.audit.driven import IN_BACKGROUND
from stress.audit.listening import Listener
from stress.audit.probe_folder import find_denied
from stress.audit.reports import ProcessReport
from stress.last_words import read_last_lines, read_last_words
from stress.machine import describe_port_owner
from stress.places import PROBE_FOLDER, SITE_FOLDER
from stress.processes import describe_exit_code

IN_USE = re.compile(r"address already in use|address in use|connection in use", re.I)
NOT_BOUND = re.compile(r"can't connect to \(.*, (\d+)\)", re.I)
"""gunicorn's last words; an earlier line says whether the port is taken, forbidden or of another
machine."""
PORT = re.compile(r"(?:, |:|port[ =])(\d{2,5})\b")
NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
NO_VARIABLE = re.compile(r"KeyError: '([A-Z][A-Z0-9_]*)'")
ISOLATED = {"I": "PYTHONPATH", "E": "PYTHONPATH", "S": "sitecustomize"}
"""Maps an option of Python to what it disables."""
OPTIONS = re.compile(r"-([^WXcm]*)([WXcm]?)(.*)", re.DOTALL)
"""Letters without a value, then at most one with a value, which may follow in the same word."""
LAST_OPTIONS = ("c", "m")
NO_APP_SEEN = "its server loads no ASGI app that the probe can see"
HOW_FOREGROUND = "start it in the foreground, without an option such as --daemon and without &"
CHOOSE_OUT = (
    "the probe writes there: name a folder with --out that this user may enter, such as --out "
    "/var/tmp/audit"
)
INSTALL_ELSEWHERE = "the probe is there: install this tool where each user may read it"
JOURNALS = "probe-*.journal"
PROBE_FAULT = re.compile(r"the probe (is switched off after an error|cannot .*?): .*")
HOW_WHOLE = "start it without the audit to see its whole output"
"""The audit removes the log, which may hold a secret."""
HOW_FACTORY = (
    "start it as main:create() with study audit, gunicorn or hypercorn, or with --factory in "
    "uvicorn or granian"
)


def reject_reports(command: AuditedCommand, reports: Iterable[ProcessReport]) -> None:
    """Raise UserError for an app that is not ASGI, and for one that is reloaded."""
    for each in reports:
        if each.kind == "wsgi":
            raise UserError(
                f"{each.app} is a WSGI app and has no event loop; an audit needs an ASGI app"
            )
        if each.kind == "rsgi":
            raise UserError(
                f"{each.server} calls the app through RSGI, not ASGI; start it with "
                "--interface asgi"
            )
        if each.kind == "factory":
            raise UserError(f"{each.app} takes no argument, so it is a factory; {HOW_FACTORY}")
        if each.kind == "not callable":
            raise UserError(f"`{command}` names a {each.app}, which is not an ASGI app")
        if each.reloads:
            raise UserError(
                "the server restarts the app while it is measured; start it without reload"
            )
        if each.tls:
            raise build_tls_error()


def build_tls_error() -> UserError:
    return UserError("an audit uses plain HTTP; start the server without TLS")


def build_end_error(command: AuditedCommand, log: Path, code: int) -> UserError:
    how = f"`{command}` ended before it served ({describe_exit_code(code)})"
    return build_words_error(command, log, how)


def build_background_error(command: AuditedCommand) -> UserError:
    return build_cannot_run_error(f"`{command}` ended, and {IN_BACKGROUND}; {HOW_FOREGROUND}")


def build_worker_error(command: AuditedCommand, log: Path) -> UserError:
    return build_words_error(command, log, f"`{command}` starts workers, and each one ends")


def build_words_error(command: AuditedCommand, log: Path, how: str) -> UserError:
    words = read_last_words(log)
    cure = describe_cure(command, words, read_last_lines(log))
    return build_cannot_run_error(f"{how}: {words}{cure} ({HOW_WHOLE})")


def describe_cure(command: AuditedCommand, words: str, lines: Sequence[str] = ()) -> str:
    """Return the remedy for the app's last words, if the cause is certain. lines: of its output."""
    not_bound = NOT_BOUND.findall(words)
    if any(map(IN_USE.search, (words, *(lines if not_bound else ())))):
        ports = not_bound or PORT.findall(f"{words} {command}")
        owner = next(filter(None, (describe_port_owner(int(each)) for each in ports)), "")
        return f". The port is taken{owner}; stop that program, or give the command another port"
    if missing := NO_MODULE.search(words):
        if "S" in find_options(list(command.argv)):
            return ". -S hides the installed packages from Python; start it without that option"
        python = find_interpreter(command)
        ran = f"{python} ran it" if python else "the Python that ran it lacks it"
        return (
            f". {ran}; start the command with the Python that has {missing[1]} (such as "
            ".venv/bin/uvicorn), or give study audit main:app --python PATH"
        )
    if variable := NO_VARIABLE.search(words):
        return f". If the app needs the variable {variable[1]}, set it before the audit"
    return ""


def build_unreachable_error(command: AuditedCommand) -> UserError:
    return build_cannot_run_error(
        f"`{command}` started its app, whose server listens on no TCP port; give it a port instead "
        "of a Unix socket"
    )


def build_late_error(
    command: AuditedCommand, log: Path, limit_s: Second, listeners: list[Listener]
) -> UserError:
    what = "its app has not started" if listeners else "it listens on no TCP port"
    return build_words_error(command, log, f"`{command}` has run for {limit_s:.0f} s, but {what}")


def build_unattached_error(command: AuditedCommand, reason: str | None) -> UserError:
    by_hand = f"import sys; sys.path.insert(0, {str(PROBE_FOLDER)!r}); import asgi_probe; "
    return build_cannot_run_error(
        f"`{command}` runs, but without the probe: {reason or NO_APP_SEEN}. "
        "Attach the probe by hand, in one line after the app is created: "
        f"{by_hand}app = asgi_probe.Probe(app)"
    )


def reject_denied(app: AuditedApp, listening: Iterable[psutil.Process]) -> None:
    """Raise UserError if no probe writes, and the user of a process may not read the probe, or
    enter the folder for its records."""
    for each in () if any(app.raw.glob(JOURNALS)) else listening:
        with contextlib.suppress(psutil.Error, OSError):
            if denial := describe_denial(each, app.raw):
                raise build_cannot_run_error(
                    f"`{app.command}` runs, but without the probe: {denial}"
                )


def reject_unattached(app: AuditedApp, listening: list[psutil.Process], *, is_late: bool) -> None:
    """Raise UserError if something keeps the probe out of the listening processes, or if the app is
    late to load it."""
    reject_denied(app, listening)
    reason = find_fault(app.process.log) or find_reason(listening, is_late=is_late)
    if reason or is_late:
        raise build_unattached_error(app.command, reason)


def find_reason(listening: Iterable[psutil.Process], *, is_late: bool) -> str | None:
    """Return why the listening processes cannot load the probe, as far as their command lines and
    variables show it; None if nothing keeps it out."""
    pythons = []
    for process in listening:
        try:
            argv, environment = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if argv and Path(argv[0]).name.startswith(("python", "pypy")):
            pythons.append((argv, environment))
    if not pythons:
        return "the listening process is not Python, or hides that it is"
    for argv, _ in pythons:
        for option in find_options(argv):
            return (
                f"{argv[0]} runs with -{option}, which disables {ISOLATED[option]}; start it "
                "without that option if you can"
            )
    paths = [environment.get("PYTHONPATH", "") for _, environment in pythons]
    if not any(str(SITE_FOLDER) in each.split(os.pathsep) for each in paths):
        return "its PYTHONPATH is not the one that the audit set"
    for folder in filter(None, map(find_earlier_site, paths if is_late else ())):
        return (
            f"{folder} has a sitecustomize.py and comes before the probe on its PYTHONPATH. Start "
            f"the audit with PYTHONPATH={folder}, without the program that puts it there, and both "
            "run"
        )
    return None


def find_earlier_site(path: str) -> str | None:
    """Return the folder whose sitecustomize.py runs first, and may keep the probe's from running,
    as that of `opentelemetry-instrument` does."""
    folders = path.split(os.pathsep)
    own = str(SITE_FOLDER)
    earlier = folders[: folders.index(own)] if own in folders else []
    absolute = (Path(each) for each in earlier if Path(each).is_absolute())
    return next((str(each) for each in absolute if (each / "sitecustomize.py").is_file()), None)


def find_fault(log: Path) -> str | None:
    """Return why the probe says that it failed, unless the service hides its log."""
    found = map(PROBE_FAULT.search, read_last_lines(log))
    return next((f"{each[0]}" for each in found if each), None)


def describe_denial(process: psutil.Process, raw: Path) -> str | None:
    """Return a clause on the folder that the process's user may not enter. Raises psutil.Error,
    OSError."""
    for folder, cure in ((raw, CHOOSE_OUT), (PROBE_FOLDER, INSTALL_ELSEWHERE)):
        if denied := find_denied(process, folder):
            return f"its user {process.username()} may not enter {denied}; {cure}"
    return None


def find_options(argv: list[str]) -> list[str]:
    """Return Python's options that keep the probe out. A script's options follow its name."""
    found: list[str] = []
    words = iter(argv[1:])
    for word in words:
        if not word.startswith("-") or word.startswith("--"):
            break
        if (parts := OPTIONS.fullmatch(word)) is None:
            break
        found += [each for each in parts[1] if each in ISOLATED]
        if parts[2] in LAST_OPTIONS:
            break
        if parts[2] and not parts[3]:
            next(words, None)
    return found
