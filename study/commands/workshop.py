"""The workshop, exercise by exercise."""

import sys
from pathlib import Path
from typing import Annotated

from scenarios.errors import UserError
from scenarios.options import Setting
from study import options as o
from study.run_flags import record_command


# fmt: off
@o.declare_command()
def workshop(
    number: Annotated[int | None, Setting(
        "1 to 6; all are listed without.", name="EXERCISE",
    )] = None,
    /,
    *,
    edited: Annotated[bool, Setting("After the edit that the exercise asks for.")] = False,
    prompt: Annotated[bool, Setting("Ask for your prediction first.")] = True,
    page: Annotated[tuple[Path, ...], Setting(
        "Write docs/workshop.md (outside a clone: in --out) from these runs (of both forms of each "
        "exercise); may be a folder of them.", metavar="DIR",
    )] = (),
    keep: Annotated[Path | None, Setting(
        "With --page: copy there what the page needs of the runs.", metavar="FOLDER",
    )] = None,
    port: o.Port = 0,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """An exercise: your prediction, the run, and what theory says.

    For example:
        study workshop 1
        study workshop 1 --edited
    """
    # fmt: on
    from analysis.guide.exercises import find_exercise
    from study import workshop as sessions

    if page or keep:
        if number is not None or edited:
            raise UserError("--page writes docs/workshop.md: leave the exercise out")
        return sessions.write_workshop_page(page or [sessions.KEPT], out, keep)
    if number is None:
        if edited:
            raise UserError("--edited: of which exercise? study workshop 1 --edited")
        return sessions.print_exercises()
    return sessions.WorkshopSession(
        find_exercise(number), edited, prompt, port, out, record_command(sys.argv[1:])
    ).run_session()
