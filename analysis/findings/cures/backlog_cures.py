"""The cure that moves work after the response out of the web process."""

import ast
from dataclasses import replace

from analysis.findings.base import AuditFinding
from analysis.findings.cures.code_sites import is_all_of_block, read_source
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.source_code import ParsedSource, get_last_name

QUEUE = "# put it into a job queue whose workers run outside the web process"
REASON = (
    "A job queue stores pending work and has as many workers as the work needs. Background tasks "
    "have no limit: work that starts faster than it finishes uses up threads and memory."
)


def cure_backlog(finding: AuditFinding, evidence: AuditEvidence) -> Cure:
    """Propose the change where the task is added, if that is known, or else at the task's code."""
    cure = Cure(finding.file, finding.line, (), (QUEUE,), REASON, "background")
    source = read_source(evidence, finding.file)
    added = find_added(source, finding.function) if source else None
    if source is None or added is None:
        return cure
    text = source.lines[added.lineno - 1]
    indent = text[: len(text) - len(text.lstrip())]
    before = () if is_all_of_block(source, added) else (text,)
    return replace(cure, line=added.lineno, before=before, after=(f"{indent}{QUEUE}",))


def find_added(source: ParsedSource, function: str | None) -> ast.stmt | None:
    """Return the only statement that adds this function as a task, if it is all of a line."""
    found = [
        each
        for each in ast.walk(source.tree)
        if isinstance(each, ast.Expr)
        and isinstance(each.value, ast.Call)
        and get_last_name(each.value.func) == "add_task"
        and each.value.args
        and get_last_name(each.value.args[0]) == function
    ]
    lines = [each.lineno for each in ast.walk(source.tree) if isinstance(each, ast.stmt)]
    is_sure = len(found) == 1 and found[0].lineno == found[0].end_lineno
    return found[0] if is_sure and lines.count(found[0].lineno) == 1 else None
