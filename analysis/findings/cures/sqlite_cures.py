"""Rules of sqlite3 for code that runs in threads."""

from analysis.findings.cures.blocked_code import BlockedCode
from analysis.findings.cures.code_sites import CodeSite, read_source
from analysis.findings.cures.edits import list_calls
from analysis.findings.cures.place_edit import place_comment
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.source_code import ParsedSource, get_last_name

OWN_CONNECTION = (
    "Give each thread its own connection: sqlite3 refuses that of another thread, and with "
    "check_same_thread=False, threads that share one wait for each other and hold the GIL."
)
SHARED = "Threads that share an sqlite3 connection wait for each other, and hold the GIL meanwhile."
QUERIES = frozenset({"execute", "executemany", "fetchone", "fetchmany", "fetchall"})


def imports_sqlite(source: ParsedSource | None) -> bool:
    names = source.imports.values() if source else ()
    return any(each.partition(".")[0] == "sqlite3" for each in names)


def uses_sqlite(code: BlockedCode, site: CodeSite, evidence: AuditEvidence) -> bool:
    """Return True if the blocking file or the awaiting one (site) imports sqlite3."""
    return imports_sqlite(site.source) or imports_sqlite(read_source(evidence, code.place.file))


def cure_shared_connection(code: BlockedCode, site: CodeSite | None) -> Cure | None:
    """Cure a query that holds the GIL in a thread: sqlite3 itself releases it."""
    if code.cause != "gil" or site is None or not imports_sqlite(site.source):
        return None
    names = {get_last_name(each.func) for each in list_calls(site)}
    if code.callee is not None or not names & QUERIES:
        return None
    text = "use a connection here that no other thread uses"
    return place_comment(code, site, text, SHARED, "offload")
