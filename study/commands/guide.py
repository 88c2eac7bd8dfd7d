"""`study guide` and `study advise`."""

from pathlib import Path
from typing import Annotated

from scenarios.advice import AdviceOptions
from scenarios.errors import UserError
from scenarios.options import Setting, list_given_options
from study import options as o


# fmt: off
@o.declare_command()
def guide(
    *directories: Annotated[Path, Setting(
        "Run directories or folders of them; docs/evidence/guidance if none is given.",
        name="DIRECTORY",
    )],
    out: Annotated[Path | None, Setting(
        "Page as Markdown; in a clone docs/guidance.md if neither --out nor --html is given.",
        metavar="FILE",
    )] = None,
    html: Annotated[Path | None, Setting(
        "Page as HTML for printing, such as guidance.html; none if not given.", metavar="FILE",
    )] = None,
    keep: Annotated[Path | None, Setting(
        "Folder for copies of the page's records, in place of earlier ones; none if not given.",
        metavar="DIRECTORY",
    )] = None,
    check: Annotated[bool, Setting("Check the rules by runs on this machine.")] = False,
    rule: Annotated[tuple[str, ...], Setting(
        "Rule for --check; all rules if none is given. Repeatable.", metavar="RULE",
    )] = (),
    port: o.Port = 0,
    list_: Annotated[bool, Setting(
        "List of the commands whose runs the guidance uses.", name="--list",
    )] = False,
) -> int:
    """Write the guidance from recorded runs, or check its rules on this machine.

    For example:
        study guide --html guidance.html
        study guide --check
        study guide --check --rule small-pool
    """
    # fmt: on
    from study import guide as guiding

    reject_contradictions(
        list_, check, writes=bool(out or html or keep), reads=bool(directories), rule=bool(rule)
    )
    if list_:
        return guiding.show_commands()
    if check:
        return guiding.GuidanceCheck(guiding.select_rules(rule), port).run()
    return guiding.write_guidance(directories or [guiding.KEPT], out, keep, html)


def reject_contradictions(
    list_: bool, check: bool, *, writes: bool, reads: bool, rule: bool
) -> None:
    """Raises UserError."""
    if list_ and (check or rule or reads):
        raise UserError("--list prints commands and measures nothing: leave the other options out")
    if (list_ or check) and writes:
        raise UserError(
            "--out, --html and --keep are for the page of recorded runs: leave out --list and "
            "--check"
        )
    if check and reads:
        raise UserError("--check makes new measurements: leave the directories out")
    if rule and not check:
        raise UserError("--rule chooses a rule for --check: give --check too")


@o.declare_command()
def advise(
    *,
    options: AdviceOptions = AdviceOptions(),
    html: Annotated[
        Path | None,
        Setting("HTML form that gives the same advice offline; none if not given.", metavar="FILE"),
    ] = None,
) -> int:
    """Recommend def or async def for a load: the rule, predictions, similar measurements.

    For example:
        study advise
        study advise --waits network --delay 300ms --rate 200/s --workers 1
    """
    from study import advise as advising

    if html is not None:
        if list_given_options(options):
            raise UserError("--html writes a form with the questions: leave other options out")
        return advising.write_form(html)
    return advising.give_advice(options)
