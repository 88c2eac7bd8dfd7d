"""Cures of blocking code, from an edit or a comment."""

from analysis.findings.cures.blocked_code import BlockedCode
from analysis.findings.cures.code_sites import CodeSite
from analysis.findings.cures.edits import LineEdit
from analysis.findings.cures.twins import ASYNC_LIBRARIES
from analysis.findings.remedies import Cure, CureRule


def place_edit(
    code: BlockedCode, site: CodeSite, edit: LineEdit, reason: str, rule: CureRule
) -> Cure:
    return Cure(
        file=site.file,
        line=edit.line,
        before=edit.before,
        after=edit.after,
        reason=f"{reason} Add `{edit.missing}`." if edit.missing else reason,
        rule=rule,
        saves_ms=code.block_ms,
        frees_loop=True,
    )


def place_comment(
    code: BlockedCode, site: CodeSite | None, text: str, reason: str, rule: CureRule | None
) -> Cure:
    """Write a comment that says what belongs there, if the line itself cannot be edited."""
    indent = site.indent if site is not None else ""
    place = code.place
    return Cure(
        file=site.file if site else place.file,
        line=site.line if site else place.line,
        before=(),
        after=(f"{indent}# {text}",),
        reason=reason,
        rule=rule,
        saves_ms=code.block_ms,
        frees_loop=True,
    )


def add_library(code: BlockedCode, reason: str) -> str:
    """Name the library whose calls can be awaited instead, if there is one."""
    library = ASYNC_LIBRARIES.get(code.package)
    if library is None or code.cause != "wait":
        return reason
    return f"{reason} {library} can be awaited instead."
