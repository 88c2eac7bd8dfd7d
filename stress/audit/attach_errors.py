"""One clear line for each way in which a service does not come to be audited."""

import os
import re
from collections.abc import Iterable
from pathlib import Path

import psutil

from scenarios.errors import UserError, build_cannot_run_error
from scenarios.units import Second
from stress.audit.command import AuditedCommand, find_interpreter
from stress.audit.listening import Listener, build_url
from stress.audit.reports import ProcessReport
from stress.last_words import read_last_words
from stress.machine import describe_port_owner
from stress.processes import describe_exit_code

IN_USE = re.compile(
    r"address already in use|address in use|connection in use|can't connect to", re.I
)
PORT = re.compile(r"(?:, |:|port[ =])(\d{2,5})\b")
NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
NO_VARIABLE = re.compile(r"KeyError: '([A-Z][A-Z0-9_]*)'")
ISOLATED = {"I": "PYTHONPATH", "E": "PYTHONPATH", "S": "sitecustomize"}
"""What a Python does without, by its option."""
OPTIONS = re.compile(r"-([^WXcm]*)([WXcm]?)(.*)", re.DOTALL)
"""Letters without a value, then at most one with it, and the value if it is in the same word."""
LAST_OPTIONS = ("c", "m")
NO_APP_SEEN = "its server loads no ASGI app that the probe can see"
HOW_FACTORY = (
    "name what it returns: main:create() with study audit, gunicorn or hypercorn, --factory with "
    "uvicorn or granian"
)


def reject_reports(command: AuditedCommand, reports: Iterable[ProcessReport]) -> None:
    """Raises UserError for an app that no ASGI server can call, and for one that is reloaded."""
    for each in reports:
        if each.kind == "wsgi":
            raise UserError(
                f"{each.app} is a WSGI app: an audit looks at the event loop of an ASGI app, and "
                "this one has none"
            )
        if each.kind == "rsgi":
            raise UserError(
                f"{each.server} calls the app by RSGI, which is not ASGI: start it with "
                "--interface asgi"
            )
        if each.kind == "factory":
            raise UserError(f"{each.app} takes no argument, so it is a factory: {HOW_FACTORY}")
        if each.kind == "not callable":
            raise UserError(f"what `{command}` names is no ASGI app, but a {each.app}")
        if each.reloads:
            raise UserError(
                "the server restarts the app while it is measured: start it without reload"
            )
        if each.tls:
            raise build_tls_error()


def build_tls_error() -> UserError:
    return UserError("an audit asks over plain HTTP: start the server without TLS")


def build_end_error(command: AuditedCommand, log: Path, code: int) -> UserError:
    how = f"`{command}` ended before it served ({describe_exit_code(code)})"
    return build_words_error(command, log, how)


def build_worker_error(command: AuditedCommand, log: Path) -> UserError:
    return build_words_error(command, log, f"`{command}` starts workers, and each one ends")


def build_words_error(command: AuditedCommand, log: Path, how: str) -> UserError:
    words = read_last_words(log)
    cure = describe_cure(command, words)
    return build_cannot_run_error(f"{how}: {words}{cure} (all of its output: {log})")


def describe_cure(command: AuditedCommand, words: str) -> str:
    """What to do about the app's last words, where they leave no doubt."""
    if IN_USE.search(words):
        ports = PORT.findall(f"{words} {command}")
        owner = next(filter(None, (describe_port_owner(int(each)) for each in ports)), "")
        return f". The port is taken{owner}: end that, or give the command another port"
    if missing := NO_MODULE.search(words):
        if "S" in find_options(list(command.argv)):
            return ". -S keeps Python from its installed packages: start it without that option"
        python = find_interpreter(command)
        ran = f"{python} ran it" if python else "the Python that ran it lacks it"
        return (
            f". {ran}: start the command with the Python that has {missing[1]} (such as "
            ".venv/bin/uvicorn), or give study audit main:app --python PATH"
        )
    if variable := NO_VARIABLE.search(words):
        return f". If the app needs a variable {variable[1]}, set it before the audit"
    return ""


def build_unreachable_error(command: AuditedCommand) -> UserError:
    return build_cannot_run_error(
        f"`{command}` has started its app and listens on no TCP port: give it one instead of a "
        "Unix socket"
    )


def build_late_error(
    command: AuditedCommand, log: Path, limit_s: Second, listeners: list[Listener]
) -> UserError:
    what = "its app has not started" if listeners else "it listens on no TCP port"
    return build_words_error(command, log, f"`{command}` has run for {limit_s:.0f} s and {what}")


def build_unattached_error(command: AuditedCommand, reason: str | None, folder: Path) -> UserError:
    by_hand = f"import sys; sys.path.insert(0, {str(folder)!r}); import asgi_probe; "
    return build_cannot_run_error(
        f"`{command}` serves, but the probe is not inside: {reason or NO_APP_SEEN}. "
        "Attach it by hand, in one line after the app is made: "
        f"{by_hand}app = asgi_probe.Probe(app)"
    )


def find_reason(listening: Iterable[psutil.Process], folder: Path) -> str | None:
    """Why the probe cannot get into the processes that listen, as far as they show it themselves;
    None where nothing keeps it out."""
    pythons = []
    for process in listening:
        try:
            argv, environment = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if argv and Path(argv[0]).name.startswith(("python", "pypy")):
            pythons.append((argv, environment))
    if not pythons:
        return "what listens is no Python, or hides that it is one"
    for argv, _ in pythons:
        for option in find_options(argv):
            return (
                f"{argv[0]} runs with -{option}, and so without {ISOLATED[option]}; start it "
                "without that option if you can"
            )
    paths = [environment.get("PYTHONPATH", "") for _, environment in pythons]
    if not any(str(folder) in each.split(os.pathsep) for each in paths):
        return "its Python was started with another PYTHONPATH than the audit's"
    return None


def find_options(argv: list[str]) -> list[str]:
    """Those of Python's own options that keep the probe out. A script's are behind its name."""
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


def find_url(
    command: AuditedCommand,
    listeners: list[Listener],
    reports: list[ProcessReport],
    port: int | None,
) -> str:
    """Of the port that was given; otherwise of the one that the ASGI server has."""
    ports = choose_ports(command, listeners, reports) if port is None else {port}
    chosen = [each for each in listeners if each.port in ports]
    listens = ", ".join(map(str, sorted({each.port for each in listeners})))
    if not chosen:
        raise UserError(f"`{command}` does not listen on port {port}: it listens on {listens}")
    if len(ports) > 1:
        raise UserError(f"`{command}` listens on ports {listens}: say which one with --port N")
    if (url := build_url(chosen)) is None:
        raise build_cannot_run_error(f"`{command}` listens on port {listens}, but does not answer")
    return url


def choose_ports(
    command: AuditedCommand, listeners: list[Listener], reports: list[ProcessReport]
) -> set[int]:
    """By what its hook knows, by the process that has the socket, by the command's own words."""
    known = {port for each in reports for _, port in each.listens}
    attached = {each.pid for each in reports}
    listened = {each.port for each in listeners}
    of_app = {each.port for each in listeners if each.pid in attached}
    worded = {each for each in listened if re.search(rf"\b{each}\b", str(command))}
    chosen = listened
    for narrower in (known, of_app, worded):
        if len(chosen) > 1 and chosen & narrower:
            chosen = chosen & narrower
    return chosen
