"""Objects that serve one caller at a time, such as a connection: threads must not share them."""

import ast
from collections.abc import Iterator

from analysis.findings.cures.blocked_code import ONE_AT_A_TIME, BlockedCode
from analysis.findings.cures.code_sites import (
    CodeFunction,
    CodeSite,
    find_site,
    list_header,
    walk_own,
)
from analysis.findings.cures.edits import list_calls
from analysis.findings.cures.place_edit import add_library, place_comment
from analysis.findings.cures.sqlite_cures import QUERIES, uses_sqlite
from analysis.findings.evidence import AuditEvidence
from analysis.findings.remedies import Cure
from analysis.findings.source_code import BUILTINS, find_assigned, get_last_name, resolve_call

SERVES_ONE = ONE_AT_A_TIME | {"psycopg2", "MySQLdb", "mysql", "sqlalchemy", "matplotlib"}
SERVES_ALL = ("engine", "pool", "sessionmaker", "session_factory")
"""Ends of the names of objects that several threads may use, and of what makes them."""
OWN = "give each request its own connection from a pool, and make this call in a thread"
OWN_FIGURE = (
    "draw in a thread, on a matplotlib.figure.Figure that the request creates, without pyplot"
)
SERVES = (
    "It serves one caller at a time: in threads, or if its calls are awaited, several requests "
    "would use it at once."
)


def cure_for_one_caller(code: BlockedCode, site: CodeSite, evidence: AuditEvidence) -> Cure | None:
    """site: where the code would move to a thread."""
    if not is_for_one_caller(code, evidence):
        return None
    text = OWN_FIGURE if code.package == "matplotlib" else OWN
    return place_comment(code, site, text, add_library(code, SERVES), "offload")


def is_for_one_caller(code: BlockedCode, evidence: AuditEvidence) -> bool:
    """Return True if the blocking call may use such an object that requests share."""
    place = code.place
    site = find_site(evidence, place.file, place.line, place.function)
    if site is None:
        return code.package in SERVES_ONE
    is_query = any(get_last_name(each.func) in QUERIES for each in list_calls(site))
    is_c_code = code.callee is None and is_query and not uses_sqlite(code, site, evidence)
    if not is_c_code and code.package not in SERVES_ONE:
        return False
    if code.package == "matplotlib":
        return "matplotlib.pyplot" in site.source.imports.values()
    names = list_objects(code, site)
    return depends_on_thread(site) or any(is_shared(site, each) for each in names)


def list_objects(code: BlockedCode, site: CodeSite) -> Iterator[str]:
    """Yield the names of the objects whose methods may block in the line. What these get as
    arguments, such as a table, does not block."""
    calls = list(list_calls(site))
    names = QUERIES if code.callee is None else {code.callee_name}
    parts = [each for each in calls if get_last_name(each.func) in names] or calls
    header = (each for part in list_header(site.statement) for each in ast.walk(part))
    for each in parts or header:
        yield from find_owner(each)


def find_owner(node: ast.AST) -> Iterator[str]:
    """Yield `db` for db.query(x)[0].all(); nothing for what the call of a name returns."""
    match node:
        case ast.Attribute(value=inner) | ast.Subscript(value=inner):
            yield from find_owner(inner)
        case ast.Call(func=ast.Attribute() as method):
            yield from find_owner(method)
        case ast.Name(id=name, ctx=ast.Load()):
            yield name


def is_shared(site: CodeSite, name: str) -> bool:
    """Return True for an object of the module, and for a cursor of one; False for what the function
    gets or creates, and for a pool."""
    function, source = site.function, site.source
    if function is not None and name in find_local(function):
        made = (each for each in list_made(function, name) if isinstance(each, ast.Attribute))
        owners = {owner for each in made if each.attr == "cursor" for owner in find_owner(each)}
        return any(is_shared(site, each) for each in owners - {name})
    makers = [get_last_name(each) or "" for each in list_made(source.tree, name)]
    if any(each.lower().endswith(SERVES_ALL) for each in (name, *makers)):
        return False
    package = source.imports.get(name, "").partition(".")[0]
    own = (each.name for each in source.tree.body if isinstance(each, CodeFunction | ast.ClassDef))
    return name not in BUILTINS and package not in SERVES_ONE and name not in own


def find_local(function: CodeFunction) -> set[str]:
    stated = [each.names for each in walk_own(function) if isinstance(each, ast.Global)]
    return set(find_assigned(function)).difference(*stated)


def list_made(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield the functions whose results get the name, also in a `with`."""
    for each in ast.walk(scope):
        match each:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=ast.Call(func=maker))
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.Call(func=maker))
                | ast.withitem(context_expr=ast.Call(func=maker), optional_vars=ast.Name(id=target))
            ) if target == name:
                yield maker


def depends_on_thread(site: CodeSite) -> bool:
    """Return True if the file has objects of which each thread gets another."""
    calls = [each for found in site.source.calls.values() for each in found]
    return any(
        get_last_name(each.func) == "scoped_session"
        or resolve_call(site.source, each) == "threading.local"
        for each in calls
    )
