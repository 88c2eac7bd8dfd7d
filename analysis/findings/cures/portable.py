"""Which functions another process can run: it has only what importing their modules creates."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from analysis.findings.cures.code_sites import (
    YIELDS,
    CodeFunction,
    CodeSite,
    locate_source,
    walk_own,
)
from analysis.findings.cures.sent_data import list_values
from analysis.findings.evidence import AuditEvidence
from analysis.findings.source_code import (
    BUILTINS,
    ParsedSource,
    find_assigned,
    resolve_call,
)

CHANGES = frozenset(
    {
        "append", "add", "update", "pop", "popitem", "setdefault", "extend", "insert", "remove",
        "discard", "clear", "sort", "reverse",
    }
)  # fmt: skip
"""Methods that change an object."""
LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
"""Methods that are called for their effect, and change nothing that other code reads."""
ITERATORS = frozenset({"enumerate", "filter", "iter", "map", "reversed", "zip"})
"""Functions whose results are read once, as a generator's."""
VIEWS = frozenset({"keys", "values", "items"})
"""Methods of a dict whose results are views of it."""
Definition = CodeFunction | ast.ClassDef


def is_portable(source: ParsedSource, name: str, file: str, evidence: AuditEvidence) -> bool:
    """Return True if a function of the file gives its result back, and if neither it nor what it
    uses of the file reads or changes what only its process has. A decorator may hide its name.

    file: as a finding names it.
    """
    own = {each.name: each for each in source.tree.body if isinstance(each, Definition)}
    first = own.get(name)
    if not isinstance(first, ast.FunctionDef) or first.decorator_list:
        return False
    if is_lazy(first, own):
        return False
    shared, pending, known = set(list_shared(source)), [name], {name}
    while pending:
        part = own[pending.pop()]
        names = {each.id for each in ast.walk(part) if isinstance(each, ast.Name)}
        read = names - set(list_bound(part))
        outside = read - own.keys()
        if changes_others(source, part) or uses_state(part) or read & shared:
            return False
        if not all(is_same_there(source, each, file, evidence) for each in outside):
            return False
        pending += (read & own.keys()) - known
        known |= read
    return True


def is_lazy(function: ast.FunctionDef, own: Mapping[str, Definition]) -> bool:
    """Return True if the result is a generator or the like, which cannot be copied. own: what the
    file defines; the result may be that of a generator there."""
    nodes = list(walk_own(function))
    given = [each.value for each in nodes if isinstance(each, ast.Return)]
    named = [each.id for each in given if isinstance(each, ast.Name)]
    given += [value for name in named for value in list_values(function, name)]
    return any(isinstance(each, YIELDS) for each in nodes) or any(
        is_lazy_value(each, own) for each in given
    )


def is_lazy_value(node: ast.expr | None, own: Mapping[str, Definition]) -> bool:
    if not isinstance(node, ast.Call):
        return isinstance(node, ast.GeneratorExp)
    if isinstance(node.func, ast.Attribute):
        return node.func.attr in VIEWS and not node.args
    maker = node.func.id if isinstance(node.func, ast.Name) else ""
    part = own.get(maker)
    yields = isinstance(part, CodeFunction) and any(
        isinstance(each, YIELDS) for each in walk_own(part)
    )
    return yields or maker in ITERATORS


def is_same_there(source: ParsedSource, name: str, file: str, evidence: AuditEvidence) -> bool:
    """Return True if a name of the module means the same in every process that imports it."""
    if name in source.imports:
        return not is_of_service(source.imports[name], file, evidence)
    return name in source.assigned or name in BUILTINS


def is_of_service(full: str, file: str, evidence: AuditEvidence) -> bool:
    """Return True for a module of the service's own: the audit does not read what it keeps."""
    top, path, root = full.partition(".")[0], locate_source(evidence, file), evidence.record.folder
    folders = [each for each in path.parents if each.is_relative_to(root)]
    found = [each / name for each in (*folders, Path(root) / "src") for name in (top, f"{top}.py")]
    return top in path.parts or any(each.exists() for each in found)


def name_library_call(site: CodeSite, call: ast.Call, evidence: AuditEvidence) -> str | None:
    """Return the full name of a library's function; None for any other, and for a method of an
    object that the file imports."""
    if isinstance(call.func, ast.Attribute) and is_object(site.source, call.func):
        return None
    full = resolve_call(site.source, call)
    if full is None or full in BUILTINS or is_of_service(full, site.file, evidence):
        return None
    return full


def changes_others(source: ParsedSource, part: Definition) -> bool:
    """Return True if it changes what it did not create, or raises what cannot be copied: an
    exception is created again from its positional arguments."""
    made = set(list_bound(part)) - {part.name, *list_given(part)}
    for each in ast.walk(part):
        changed = find_changed(source, each)
        if changed is not None and split_root(changed) not in made:
            return True
        if isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call) and each.exc.keywords:
            return True
    return any(isinstance(each, ast.Global) for each in ast.walk(part))


def uses_state(part: Definition) -> bool:
    """Return True if it reads what a lifespan may keep in `app.state`."""
    return any(isinstance(each, ast.Attribute) and each.attr == "state" for each in ast.walk(part))


def list_shared(source: ParsedSource) -> Iterator[str]:
    """Yield names of the module that a function binds or changes, such as a lifespan. An argument
    may be the module's object of that name."""
    for function in ast.walk(source.tree):
        if not isinstance(function, CodeFunction):
            continue
        made = set(list_bound(function)) - set(list_given(function))
        for each in ast.walk(function):
            changed = find_changed(source, each)
            if isinstance(each, ast.Global):
                yield from each.names
            elif changed is not None and split_root(changed) not in made:
                yield split_root(changed)


def list_given(part: ast.AST) -> Iterator[str]:
    yield from (each.arg for each in ast.walk(part) if isinstance(each, ast.arg))


def list_bound(part: ast.AST) -> Iterator[str]:
    """Yield the names that the code binds, including those of its exceptions and patterns."""
    yield from find_assigned(part)
    for each in ast.walk(part):
        if isinstance(each, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and each.name:
            yield each.name


def find_changed(source: ParsedSource, node: ast.AST) -> ast.expr | None:
    """Return the object of which it changes a part; None if it changes none. A method whose result
    is not used changes its object; a function of a module does not."""
    if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
        return node.value
    call = node.value if isinstance(node, ast.Expr | ast.Await) else node
    call = call.value if isinstance(call, ast.Await) else call
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
        return None
    is_bare = isinstance(node, ast.Expr) and call.func.attr not in LOGS
    has_owner = split_root(call.func) not in ("", *source.imports)
    return call.func.value if call.func.attr in CHANGES or (is_bare and has_owner) else None


def split_root(node: ast.AST) -> str:
    """Return the name of `name.part[0]`; empty if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_object(source: ParsedSource, function: ast.Attribute) -> bool:
    """Return True for a method of what `from module import name` brings, unless its name is a
    class's: another process may have no copy of an object. It may also be a module."""
    root = split_root(function)
    for each in ast.walk(source.tree):
        for name in each.names if isinstance(each, ast.ImportFrom) else ():
            if (name.asname or name.name) == root:
                return not name.name[:1].isupper() or name.name.isupper()
    return False
