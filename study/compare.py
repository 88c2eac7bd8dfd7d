"""`study compare`: two run directories side by side, if they are of one kind."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from analysis.compare import as_json, compared, comparison_lines, differences, mapping
from analysis.reports import run_summary_of, write_comparison
from analysis.run_summary import RunSummary
from analysis.summary import SCHEMA
from records.rundir import RunDir, open_run
from scenarios.problems import Problem

MOST_NAMED = 3
REVISION_SHOWN = 10
ALL_WELL = 0


def compare(
    a: Path, b: Path, anyway: bool, json_output: bool = False, html: Path | None = None
) -> int:
    """The exit code. Raises Problem for runs that are unlike, unless `anyway`."""
    if html is not None and html.suffix != ".html":
        raise Problem(f"--html {html}: end its name in .html")
    run_a, run_b = open_run(a), open_run(b)
    unlike = differences(run_a.manifest(), run_b.manifest())
    if unlike and not anyway:
        raise Problem(
            f"these runs differ in more than their code: {brief(unlike)}; "
            "compare like with like, or give --anyway"
        )
    summary_a, summary_b = summary_of(run_a), summary_of(run_b)
    comparison = compared(summary_a.cells, summary_b.cells)
    if not comparison.scenarios:
        only_a, only_b = ", ".join(comparison.only_a), ", ".join(comparison.only_b)
        raise Problem(f"these runs have no scenario in common: A has {only_a}; B has {only_b}")
    if html is not None:
        write_comparison(html, (run_a, summary_a), (run_b, summary_b), comparison, unlike)
    if json_output:
        heads = {"a": head(run_a), "b": head(run_b), "differences": unlike}
        content = {"schema": SCHEMA, **heads, **as_json(comparison)}
        print(json.dumps(content, indent=2, allow_nan=False))
        return ALL_WELL
    if unlike:
        print(f"warning: these runs differ in more than their code: {brief(unlike)}")
    print(head_line("A", run_a))
    print(head_line("B", run_b))
    print("\n".join(("", *comparison_lines(comparison))))
    if html is not None:
        print(f"\n{html}")
    return ALL_WELL


def brief(unlike: Sequence[str]) -> str:
    named = "; ".join(unlike[:MOST_NAMED])
    more = len(unlike) - MOST_NAMED
    return f"{named}; and {more} more" if more > 0 else named


def summary_of(run: RunDir) -> RunSummary:
    """Raises Problem where there is nothing to compare."""
    summary = run_summary_of(run)
    if all(cell.interrupted for cell in summary.cells):
        raise Problem(f"{run.path}: no cell of this run was completed; there is nothing to compare")
    return summary


def head(run: RunDir) -> dict[str, object]:
    environment: Mapping[str, object] = mapping(run.manifest().get("environment"))
    return {
        "path": str(run.path),
        "git_revision": environment.get("git_revision"),
        "git_changed": environment.get("git_changed"),
    }


def head_line(name: str, run: RunDir) -> str:
    """The code may differ: that is what one compares."""
    told = head(run)
    revision = told["git_revision"]
    if not isinstance(revision, str):
        return f"{name}  {run.path}  (code unknown)"
    changed = ", with changes" if told["git_changed"] else ""
    return f"{name}  {run.path}  (code {revision[:REVISION_SHOWN]}{changed})"
