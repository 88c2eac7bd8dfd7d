"""The edit of an exercise: shows it in context, and checks the app for it. An app with a different
edit is started, to show Python's error."""

import re
import sys
from collections.abc import Callable
from difflib import unified_diff
from traceback import format_exception_only

from analysis.guide.exercises import Exercise, load_exercises
from analysis.guide.workshop_page import build_command
from scenarios.errors import UserError
from stress.places import ROOT, find_specimen_folder
from study.specimen import build_restore_command, name_file

HUNK = re.compile(r"@@ -(\d+),(\d+) ")
LINES_AROUND = 3


def is_edit_applied(which: Exercise) -> bool:
    """Return True if the file has the edit, however its lines are broken."""
    text = strip_formatting(read_file(which))
    hunks = [(strip_formatting(before), strip_formatting(after)) for before, after in which.hunks]
    as_said = all(new in text and (old in new or old not in text) for old, new in hunks)
    return as_said or bool(which.instead and strip_formatting(which.instead) in text)


def read_file(which: Exercise) -> str:
    """Raises UserError if the file is not UTF-8."""
    try:
        return (find_specimen_folder() / which.file).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name_file(which.file)} is not UTF-8: save it as UTF-8, or revert all edits with "
            f"`{build_restore_command()}`"
        ) from error


def strip_formatting(code: str) -> str:
    """Remove what a formatter may change."""
    return re.sub(r"[\s,]+", "", code)


def check_edits(which: Exercise, edited: bool, try_app: Callable[[], str | None]) -> None:
    """Raises UserError if the app does not fit this form of the exercise; reports edits of other
    exercises. try_app: starts the app, calls it and returns Python's error, None without one."""
    check_syntax(which)
    applied = is_edit_applied(which)
    if edited and not applied:
        raise build_refusal(which, try_app)
    if not edited and applied:
        raise UserError(
            f"{name_file(which.file)} still has the edit of exercise {which.number}: revert it "
            f"with `{build_restore_command()}`, or run --edited"
        )
    for other in load_exercises():
        if other is not which and is_edit_applied(other):
            print(
                f"study: {name_file(other.file)} still has the edit of exercise {other.number}; "
                f"`{build_restore_command()}` reverts it",
                file=sys.stderr,
            )


def check_syntax(which: Exercise) -> None:
    """Print Python's error for a file that does not compile, and raise UserError."""
    try:
        compile(read_file(which), name_file(which.file), "exec", dont_inherit=True)
    except SyntaxError as error:
        print("".join(format_exception_only(error)), end="", file=sys.stderr)
        raise UserError(
            f"Python cannot read {name_file(which.file)}: correct line {error.lineno}, or revert "
            f"all edits with `{build_restore_command()}`"
        ) from error


def build_refusal(which: Exercise, try_app: Callable[[], str | None]) -> UserError:
    """Print what is wrong, the lines still to edit or Python's error, and return the UserError."""
    file, text = name_file(which.file), read_file(which)
    if all(before in text for before, _ in which.hunks):
        print(f"{render_edit(which)}\n", file=sys.stderr)
        return UserError(f"{file} is not edited yet: change it as shown above, then run this again")
    print("study: this edit differs from the exercise's: trying it ...", file=sys.stderr)
    if error := try_app():
        print(error, file=sys.stderr)
        return UserError(
            f"with your edit of {file} the app fails as shown above: correct it, or start over "
            f"with `{build_restore_command()}`"
        )
    print("\n\n".join(which.diffs), file=sys.stderr)
    return UserError(
        f"{file} differs from the edit of exercise {which.number} (above), so its prediction does "
        f"not apply. Your edit works: `{build_command(which)}` measures it"
    )


def render_edit(which: Exercise) -> str:
    """Render each place with file and line numbers: - to remove, + to add."""
    before = after = read_file(which)
    if any(before.count(old) != 1 for old, _ in which.hunks):
        return "\n\n".join(which.diffs)
    for old, new in which.hunks:
        after = after.replace(old, new)
    _, _, *lines = unified_diff(
        before.splitlines(), after.splitlines(), n=LINES_AROUND, lineterm=""
    )
    return "\n".join(render_line(which.file, each) for each in lines)


def render_line(file: str, line: str) -> str:
    if hunk := HUNK.match(line):
        first, count = int(hunk[1]), int(hunk[2])
        return f"{name_file(file)}, lines {first} to {first + count - 1}:"
    return f"{line[0]} {line[1:]}".rstrip()


def build_diff(which: Exercise) -> str:
    """Build a diff for `git apply`. Raises UserError if the file lacks the lines to replace."""
    before = after = (ROOT / which.file).read_text("utf-8")
    for old, new in which.hunks:
        if before.count(old) != 1:
            raise UserError(f"{which.file} must have {old!r} exactly once for the edit to apply")
        after = after.replace(old, new)
    names = f"a/{which.file}", f"b/{which.file}"
    lines = unified_diff(before.splitlines(True), after.splitlines(True), *names, n=LINES_AROUND)
    return "".join(lines)
