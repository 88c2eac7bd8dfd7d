"""The command line: its commands, and the exit code for every way a command ends."""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter
from cyclopts.help import DefaultFormatter, PanelSpec
from rich.box import Box
from rich.console import Console

from scenarios.errors import (
    ALL_WELL,
    BROKEN,
    CANNOT,
    FULL_DISK,
    INTERRUPTED,
    WRONG_USE,
    UserError,
)
from scenarios.options import Setting
from study import __version__
from study.commands import (
    audit,
    capacity,
    guide,
    measure,
    processes,
    reading,
    sweep,
    theory,
    workshop,
)
from study.messages import print_message, show_activity
from study.options import declare_command
from study.output import CLOSED, describe_output_failure

Shell = Annotated[Literal["bash", "zsh", "fish"], Setting("bash, zsh or fish.", name="SHELL")]


@declare_command()
def completion(shell: Shell, /) -> int:
    """Print a shell completion script.

    For example:
        study completion bash >~/.local/share/bash-completion/completions/study
    """
    print(build_app().generate_completion(shell=shell))
    return ALL_WELL


Service = Annotated[str, Parameter(name="MODULE:ATTR|-- COMMAND", allow_leading_hyphen=True)]


@declare_command()
def probe(*arguments: Service) -> int:
    """Start your service with the probe; you send the requests (audit --drive none).

    The options are those of `study audit`.

    For example:
        study probe main:app --app-dir ./service
    """
    return main([*PROBE, *arguments])


PROBE = ("audit", "--drive", "none")
COMMANDS = {
    "Study": (
        measure.run, reading.list, reading.show, guide.advise, theory.predict, sweep.sweep,
        capacity.capacity,
    ),
    "Your own service": (audit.audit, probe, processes.top),
    "Recorded runs": (reading.report, reading.compare),
    "Teaching": (workshop.workshop, guide.guide),
    "Tools": (
        reading.doctor, measure.serve, processes.upstream, processes.load_worker, completion,
    ),
}  # fmt: skip
"""The commands in the order of the help. A command imports slow modules when it is called."""
MODULES = {
    "run": "study.run", "sweep": "study.run", "capacity": "study.capacity",
    "predict": "study.predict", "audit": "study.audit_service", "report": "study.report",
    "compare": "study.compare", "workshop": "study.workshop", "guide": "study.guide",
    "serve": "study.serve", "doctor": "study.doctor", "advise": "study.advise",
}  # fmt: skip
"""The modules that take seconds to import."""
THREADS = "POLARS_MAX_THREADS"
NARROWEST = 20
"""Columns of the help: in one or two, the panels do not end."""
OPEN = Box("    \n" * 8)
"""Panels of the help: a title without lines."""


def build_app() -> App:
    app = App(
        name="study",
        help="Measure what a web endpoint does with its threads and its event loop.",
        help_flags=["--help"],
        help_format="plaintext",
        help_formatter=DefaultFormatter(panel_spec=PanelSpec(box=OPEN, padding=(0, 0, 0, 3))),
        console=Console(width=max(NARROWEST, Console().width)),
        version=f"study {__version__}",
        version_flags=["--version"],
        default_parameter=Parameter(negative_iterable=(), allow_repeating=True),
        suppress_keyboard_interrupt=False,
    )
    app["--help"].show = False
    for place, (title, commands) in enumerate(COMMANDS.items()):
        group = Group(title, sort_key=place)
        for row, command in enumerate(commands):
            app.command(command, group=group, sort_key=row)
    app["--version"].group = group  # the last one: --version has no panel of its own
    return app


def load_command(app: App, given: Sequence[str]) -> None:
    """On a terminal, import the command's module and show the seconds. Raises CycloptsError for
    wrong use, before anything is imported, UserError."""
    reject_environment()
    module = MODULES.get(given[0])
    if module and sys.stderr.isatty() and "--help" not in given:
        app.parse_args(given, exit_on_error=False, print_error=False)
        with show_activity("loading"):
            import_module(module)


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code; an error that a user can cause is one line on stderr."""
    code = run_command(list(sys.argv[1:] if arguments is None else arguments))
    sys.stdout.flush()
    failure = describe_output_failure()
    if failure in (None, CLOSED):
        return code
    print_message(failure)
    return BROKEN if code == ALL_WELL else code


def save_traceback() -> str:
    """Return where the traceback of the current exception is, or all of it if no disk takes it."""
    try:
        descriptor, path = tempfile.mkstemp(prefix="study-error-", suffix=".log")
        os.close(descriptor)
        Path(path).write_text(traceback.format_exc(), "utf-8", "replace")
    except OSError:
        return f"please report it with this:\n{traceback.format_exc()}"
    return f"please report it with {path}"


def reject_environment() -> None:
    """Raises UserError for a value with which a library ends this process."""
    threads = os.environ.get(THREADS, "")
    if threads.isdecimal() and not int(threads):
        raise UserError(f"{THREADS}={threads}: set it to 1 or more, or unset it")


def run_command(given: list[str]) -> int:
    try:
        if not given:
            raise UserError("Missing command. `study --help` lists the commands.")
        if given[0] == "probe" and "--help" not in given:  # the audit parses its options
            given = [*PROBE, *given[1:]]
        app = build_app()
        load_command(app, given)
        code = app(
            given, exit_on_error=False, print_error=False, verbose=False,
            result_action="return_value",
        )  # fmt: skip
    except UserError as problem:
        print_message(str(problem))
        return problem.exit_code
    except CycloptsError as error:
        print_message(" ".join(str(error).split()))
        return WRONG_USE
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        print_message(f"cannot continue: {error.strerror or error}{where}")
        return BROKEN if error.errno in FULL_DISK else CANNOT
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit:
        raise
    except BaseException as error:  # a library in Rust panics with an error that is no Exception
        print_message(f"internal error ({type(error).__name__}); {save_traceback()}")
        return BROKEN
    return code if isinstance(code, int) else 0
