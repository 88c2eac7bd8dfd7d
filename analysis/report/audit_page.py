"""report.html of an audit: the findings first, then who waited, and under which conditions."""

from collections.abc import Sequence

from analysis.findings import AuditEvidence, AuditFinding, AuditFindings
from analysis.findings.base import TokenHolder
from analysis.report.audit_routes import build_routes_table
from analysis.report.conditions import MACHINE, build_pairs, build_text_table
from analysis.report.finding_words import format_place, format_route, name_finding
from analysis.report.findings_table import choose_shown, write_answer
from analysis.report.harm_table import list_shaded_rows
from analysis.report.table import Column, Row, Table
from analysis.report.templating import create_html_environment
from analysis.stats import formats
from analysis.summary.comparison import ensure_mapping
from records.audit import AttachedProcess
from records.rundir import RunDir

PAGE_FILE = "report.html"
COLUMNS = (
    Column("findings"),
    Column("what happens", is_text=True),
    Column("where", is_text=True),
    Column("requests"),
    Column("seconds", format=formats.decimal),
    Column("longest", "ms", formats.milliseconds),
    Column("share of", "the time", formats.percent),
    Column("taken from", "other routes, s", formats.decimal),
)


def write_audit_page(run: RunDir, found: AuditFindings, evidence: AuditEvidence) -> None:
    (run.path / PAGE_FILE).write_text(render_audit_page(run, found, evidence))


def render_audit_page(run: RunDir, found: AuditFindings, evidence: AuditEvidence) -> str:
    environment = ensure_mapping(run.load_manifest().get("environment"))
    known = {words: environment.get(key) for key, words in MACHINE.items()}
    shown = choose_shown(found, verbose=True)
    context = {
        "title": run.path.name,
        "record": evidence.record,
        "answer": write_answer(found),
        "findings": [
            (each, format_place(each), format_route(each), list_holders(each)) for each in shown
        ],
        "notices": found.notices,
        "name_finding": name_finding,
        "table": build_page_table(shown),
        "matrix": found.matrix,
        "culprits": list_shaded_rows(found.matrix),
        "routes": build_routes_table(evidence),
        "processes": build_processes_table(evidence.record.processes),
        "machine": build_pairs({words: of for words, of in known.items() if of is not None}),
    }
    return create_html_environment().get_template("audit.html").render(context)


def build_page_table(found: Sequence[AuditFinding]) -> Table:
    """A row for each finding."""
    rows = []
    for each in found:
        taken_s = None if each.victims is None else each.taken_s
        figures = each.count, each.seconds, each.longest_ms, each.share, taken_s
        cells = [name_finding(each), format_route(each), *figures]
        rows += [Row(format_place(each), cells, badges=((each.severity, each.severity),))]
    return Table(COLUMNS, rows)


SHOWN_SHARE = 0.01
"""Of the thread-seconds of all holders; findings.json has the rest."""


def list_holders(found: AuditFinding) -> list[tuple[str, float]]:
    """Who kept threads meanwhile, and for how many seconds."""
    kept_s = sum(each.seconds for each in found.holders or ())
    return [
        (format_holder(each), each.seconds)
        for each in found.holders or ()
        if each.seconds >= SHOWN_SHARE * kept_s
    ]


def format_holder(holder: TokenHolder) -> str:
    route = holder.route or "no request"
    where = f"{route} ({holder.phase})" if holder.phase else route
    return f"{holder.file}:{holder.line} {holder.function}, {where}" if holder.file else where


def build_processes_table(processes: tuple[AttachedProcess, ...]) -> Table:
    rows = {
        f"{each.app}, process {each.pid}": [
            each.server, f"{each.loop} on Python {each.python}", "yes" if each.gil else "no",
        ]
        for each in processes
    }  # fmt: skip
    return build_text_table("The service", ("server", "event loop", "with the GIL"), rows)
