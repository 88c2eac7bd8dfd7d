"""The command line: its commands, and how each of their ends becomes an exit code."""

import sys
import traceback
from collections.abc import Sequence
from itertools import pairwise

import typer

from scenarios.errors import BROKEN, CANNOT, INTERRUPTED, WRONG_USE, UserError
from study.commands.capacity import capacity
from study.commands.guide import guide
from study.commands.measure import run, serve
from study.commands.processes import load_worker, probe, upstream
from study.commands.reading import compare, doctor, list_scenarios, report
from study.commands.sweep import sweep
from study.commands.theory import predict
from study.commands.workshop import workshop

app = typer.Typer(
    name="study",
    help="What a web endpoint does with its threads and its event loop: measured.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(run)
app.command("list")(list_scenarios)
app.command()(predict)
app.command()(sweep)
app.command()(capacity)
app.command()(workshop)
app.command()(guide)
app.command()(report)
app.command()(compare)
app.command()(doctor)
app.command()(serve)
app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(upstream)
app.command("load-worker")(load_worker)
app.command()(probe)


def format_usage_error(message: str, given: Sequence[str]) -> str:
    """Typer's message on one line, with the value that was given."""
    text = " ".join(message.split()).replace("Value error, ", "")
    text = text.replace("unable to parse string as an integer", "such as 500")
    values = [value for option, value in pairwise(given) if f"'{option}'" in text]
    if values and not any(f"'{value}'" in text for value in values):
        return f"{text} (given: {values[-1]!r})"  # of an option given twice the last one counts
    return text if given else f"{text} `study --help` lists the commands."


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; errors that a user can cause are one line on stderr."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=given, prog_name="study", standalone_mode=False)
    except UserError as problem:
        print(f"study: {problem}", file=sys.stderr)
        return problem.exit_code
    except typer.TyperException as error:
        print(f"study: {format_usage_error(error.format_message(), given)}", file=sys.stderr)
        return WRONG_USE
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        print(f"study: cannot go on: {error.strerror or error}:{where}", file=sys.stderr)
        return CANNOT
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        print("study: broke; please report it with what is above", file=sys.stderr)
        return BROKEN
    return code if isinstance(code, int) else 0
