"""`study workshop`: the exercises."""

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
        "Number from 1 to 6; a list of all exercises if not given.", name="EXERCISE",
    )] = None,
    /,
    *,
    edited: Annotated[bool, Setting("The exercise after your edit of the app.")] = False,
    prompt: Annotated[bool, Setting("Prompt for your prediction before the run.")] = True,
    page: Annotated[tuple[Path, ...], Setting(
        "Runs of every exercise, before and after its edit, or folders of them: docs/workshop.md "
        "is written from them (outside a clone: in --out). Repeatable.", metavar="DIRECTORY",
    )] = (),
    keep: Annotated[Path | None, Setting(
        "Folder for copies of --page's records, in place of earlier ones; none if not given.",
        metavar="DIRECTORY",
    )] = None,
    port: o.Port = 0,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Do an exercise: your prediction, the run, and both compared with the model.

    For example:
        study workshop 1
        study workshop 1 --edited
    """
    # fmt: on
    from analysis.guide.exercises import find_exercise
    from study import workshop as sessions

    if page or keep:
        if number is not None or edited or not page:
            raise UserError("--page writes docs/workshop.md: give no exercise; --keep needs --page")
        return sessions.write_workshop_page(page, out, keep)
    if number is None:
        if edited:
            raise UserError("--edited: give an exercise, such as study workshop 1 --edited")
        return sessions.print_exercises()
    return sessions.WorkshopSession(
        find_exercise(number), edited, prompt, port, out, record_command(sys.argv[1:])
    ).run_session()
