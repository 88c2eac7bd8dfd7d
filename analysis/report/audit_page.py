"""report.html of an audit: the findings first, then who waited, and under which conditions."""

from analysis.findings import AuditEvidence, AuditFindings
from analysis.report.audit_routes import build_routes_table
from analysis.report.conditions import MACHINE, build_pairs, build_text_table
from analysis.report.findings_table import (
    build_findings_table,
    format_place,
    format_route,
    write_answer,
)
from analysis.report.table import Table
from analysis.report.templating import create_html_environment
from analysis.summary.comparison import ensure_mapping
from records.audit import AttachedProcess
from records.rundir import RunDir

PAGE_FILE = "report.html"


def write_audit_page(run: RunDir, found: AuditFindings, evidence: AuditEvidence) -> None:
    (run.path / PAGE_FILE).write_text(render_audit_page(run, found, evidence))


def render_audit_page(run: RunDir, found: AuditFindings, evidence: AuditEvidence) -> str:
    environment = ensure_mapping(run.load_manifest().get("environment"))
    known = {words: environment.get(key) for key, words in MACHINE.items()}
    context = {
        "title": run.path.name,
        "record": evidence.record,
        "answer": write_answer(found),
        "findings": [(each, format_place(each), format_route(each)) for each in found.findings],
        "notices": found.notices,
        "table": build_findings_table(found),
        "routes": build_routes_table(evidence),
        "processes": build_processes_table(evidence.record.processes),
        "machine": build_pairs({words: of for words, of in known.items() if of is not None}),
    }
    return create_html_environment().get_template("audit.html").render(context)


def build_processes_table(processes: tuple[AttachedProcess, ...]) -> Table:
    rows = {
        f"{each.app}, process {each.pid}": [
            each.server, f"{each.loop} on Python {each.python}", "yes" if each.gil else "no",
        ]
        for each in processes
    }  # fmt: skip
    return build_text_table("The service", ("server", "event loop", "with the GIL"), rows)
