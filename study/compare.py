"""`study compare`: two run directories of the same kind, compared."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.report.comparison_tables import (
    build_comparison_table,
    export_comparison,
    write_comparison_answer,
)
from analysis.report.table import wrap_note
from analysis.report.write import load_run_summary, write_comparison
from analysis.summary.comparison import Comparison, compare_runs, ensure_mapping, list_differences
from analysis.summary.run import RunSummary
from records.rundir import RunDir, open_run
from scenarios.errors import ALL_WELL, UserError
from study.audit_report import is_audit, print_audit_comparison
from study.final_output import print_table
from study.messages import show_activity
from study.paths import format_path

MOST_NAMED = 3
REVISION_SHOWN = 10
SCHEMA = 1
"""Schema version of --json."""


def compare_directories(
    a: Path, b: Path, anyway: bool, json_output: bool = False, html: Path | None = None
) -> int:
    """Return the exit code. Raises UserError for runs with different settings, unless `anyway`."""
    if html is not None and html.suffix != ".html":
        raise UserError(f"--html {html}: the name must end in .html")
    runs = {"A": open_run(a), "B": open_run(b)}
    if any(map(is_audit, runs.values())):
        return compare_audit_runs(runs, json_output, html)
    unlike = list_differences(*(each.load_manifest() for each in runs.values()))
    differ = f"these runs differ in more than their code: {shorten_differences(unlike)}"
    if unlike and not anyway:
        raise UserError(f"{differ}; compare like with like, or give --anyway")
    with show_activity("reading the records"):
        sides = {letter: (each, load_completed_summary(each)) for letter, each in runs.items()}
    comparison = compare_runs(*(summary.cells for _, summary in sides.values()))
    if not comparison.scenarios:
        raise build_disjoint_error(comparison)
    if html is not None:
        with show_activity(f"drawing {html}"):
            write_comparison(html, sides, comparison, unlike)
    if json_output:
        print_json(runs, unlike, comparison)
        return ALL_WELL
    print_comparison(runs, unlike, comparison)
    if html is not None:
        print(f"\nPage: {format_path(html)}")
    return ALL_WELL


def print_comparison(
    runs: Mapping[str, RunDir], unlike: Sequence[str], comparison: Comparison
) -> None:
    """Print both runs, the table and, last, the answer."""
    if unlike:
        differences = shorten_differences(unlike)
        warning = f"Warning: these runs differ in more than their code: {differences}."
        print(*wrap_note(warning), sep="\n")
    print(*(format_run_header(*each) for each in runs.items()), "", sep="\n")
    print_table(build_comparison_table(comparison))
    print()
    for sentence in write_comparison_answer(comparison):
        print(*wrap_note(sentence), sep="\n")


def print_json(runs: Mapping[str, RunDir], unlike: Sequence[str], comparison: Comparison) -> None:
    heads = {letter.lower(): build_run_header(each) for letter, each in runs.items()}
    content = {"schema": SCHEMA, **heads, "differences": unlike}
    print(json.dumps(content | export_comparison(comparison), indent=2, allow_nan=False))


def compare_audit_runs(runs: Mapping[str, RunDir], json_output: bool, html: Path | None) -> int:
    """Raises UserError if only one of them is an audit."""
    if not all(map(is_audit, runs.values())):
        raise UserError("only one of these runs is an audit; compare two of the same kind")
    if html is not None:
        raise UserError("--html does not support audits; --json prints the changes")
    return print_audit_comparison(runs["A"], runs["B"], json_output)


def build_disjoint_error(comparison: Comparison) -> UserError:
    only_a, only_b = ", ".join(comparison.only_a), ", ".join(comparison.only_b)
    return UserError(f"these runs have no scenario in common: A has {only_a}; B has {only_b}")


def shorten_differences(unlike: Sequence[str]) -> str:
    named = "; ".join(unlike[:MOST_NAMED])
    more = len(unlike) - MOST_NAMED
    return f"{named}; and {more} more" if more > 0 else named


def load_completed_summary(run: RunDir) -> RunSummary:
    """Raises UserError if there is nothing to compare."""
    summary = load_run_summary(run)
    if all(cell.interrupted for cell in summary.cells):
        raise UserError(
            f"{run.path}: this run has no completed cell, so there is nothing to compare"
        )
    return summary


def build_run_header(run: RunDir) -> dict[str, object]:
    environment: Mapping[str, object] = ensure_mapping(run.load_manifest().get("environment"))
    return {
        "path": str(run.path),
        "git_revision": environment.get("git_revision"),
        "git_changed": environment.get("git_changed"),
    }


def format_run_header(name: str, run: RunDir) -> str:
    header = build_run_header(run)
    revision = header["git_revision"]
    if not isinstance(revision, str):
        return f"{name}  {format_path(run.path)}\n   code unknown"
    changed = ", with changes" if header["git_changed"] else ""
    return f"{name}  {format_path(run.path)}\n   code {revision[:REVISION_SHOWN]}{changed}"
