"""Which arguments and results can be copied between processes: what is certain to be plain data."""

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from analysis.findings.cures.code_sites import CodeSite, list_uses, map_parents, walk_own
from analysis.findings.cures.find_calls import REGISTERS
from analysis.findings.source_code import (
    QUICK,
    QUICK_METHODS,
    find_assigned,
    get_last_name,
    resolve_call,
)

PLAIN_TYPES = frozenset(
    {
        "int", "float", "str", "bytes", "bool", "list", "dict", "set", "tuple", "List", "Dict",
        "Set", "Tuple", "Optional", "Union", "Literal", "typing", "date", "datetime", "timedelta",
        "UUID", "Decimal", "Annotated", "Query", "Path", "Header", "Cookie", "Form", "Body",
        "Field",
    }
)  # fmt: skip
"""Names in the annotation of such data."""
PARTS = (
    ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.BinOp, ast.UnaryOp, ast.BoolOp,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.expr_context,
)  # fmt: skip
"""Expressions that are such data if all their parts are."""
COPIES = frozenset({"list", "dict", "set", "tuple", "sorted", "sum", "min", "max", "round", "abs"})
"""Calls whose results are such data if their arguments are."""
READS = frozenset(
    {"read", "read_text", "read_bytes", "body", "json", "model_dump", "getvalue", "dumps"}
)
GIVES_DATA = (QUICK - {"getattr"}) | QUICK_METHODS | READS
"""Calls whose results always are."""
DATA_METHODS = frozenset(
    name for kind in (dict, list, set, str, bytes, int, float) for name in dir(kind)
)
"""Methods of such data."""
TEXT_METHODS = QUICK_METHODS - {"hexdigest"}
"""Methods of texts and bytes, which hardly any other object has."""
COPYABLE = ("math.", "numpy.", "pandas.", "polars.", "cv2.")
"""Packages whose objects can be copied."""
OF_FRAMEWORK = frozenset({"self", "cls", "request", "websocket"})
OF_ENDPOINTS = REGISTERS - {"exception_handler"}
"""Decorators of functions whose other arguments come from the request."""
DISPLAYS = (ast.ListComp, ast.SetComp, ast.DictComp)


def is_data(site: CodeSite, node: ast.AST, known: Collection[str] = ()) -> bool:
    """known: names that are looked up already."""
    if isinstance(node, ast.Name):
        return node.id in known or is_data_name(site, node.id, {*known, node.id})
    if isinstance(node, ast.Attribute):
        return is_data_field(site, node)
    if isinstance(node, DISPLAYS):
        return is_data_display(site, node, known)
    if isinstance(node, ast.Await):
        return isinstance(node.value, ast.Call) and is_data(site, node.value, known)
    if isinstance(node, ast.Call):
        name = get_last_name(node.func)
        is_copied = name in COPIES and not node.keywords
        are_data = (is_data(site, each, known) for each in node.args)
        return name in GIVES_DATA or (is_copied and all(are_data))
    are_data = (is_data(site, each, known) for each in ast.iter_child_nodes(node))
    return isinstance(node, ast.JoinedStr) or (isinstance(node, PARTS) and all(are_data))


def is_data_field(site: CodeSite, node: ast.Attribute) -> bool:
    """Return True for the `job.n` of an argument `job: Job` if class Job of the file says that `n`
    is such data."""
    name = node.value.id if isinstance(node.value, ast.Name) else ""
    kinds = [each.annotation for each in list_arguments(site) if each.arg == name]
    bodies = [
        each.body
        for each in site.source.tree.body
        if isinstance(each, ast.ClassDef) and any(mentions(kind, each.name) for kind in kinds)
    ]
    fields = [
        each.annotation
        for body in bodies
        for each in body
        if isinstance(each, ast.AnnAssign) and is_name(each.target, node.attr)
    ]
    count = list(find_assigned(site.function or site.source.tree)).count(name)
    return count == len(kinds) == len(fields) == 1 and is_plain_type(fields[0])


def is_data_display(
    site: CodeSite, node: ast.ListComp | ast.SetComp | ast.DictComp, known: Collection[str]
) -> bool:
    for each in node.generators:
        if not is_data(site, each.iter, known):
            return False
        known = {*known, *find_assigned(each.target)}
    parts = (node.key, node.value) if isinstance(node, ast.DictComp) else (node.elt,)
    return all(is_data(site, each, known) for each in parts)


def is_data_name(site: CodeSite, name: str, known: Collection[str]) -> bool:
    """Return True if the function, or else the module, binds only such data to the name."""
    function, tree = site.function, site.source.tree
    is_local = function is not None and name in find_assigned(function)
    scope = function if is_local and function is not None else tree
    taken = [each for each in list_arguments(site) if is_local and each.arg == name]
    values = list(list_values(scope, name))
    count = len(taken) + len(values)
    if count == 0 or count != list(find_assigned(scope)).count(name):
        return False  # an import, a `with`, a pattern or another function binds it
    return all(is_plain_argument(site, each) for each in taken) and all(
        is_data(site, each, known) for each in values
    )


def list_arguments(site: CodeSite) -> Iterator[ast.arg]:
    for each in ast.walk(site.function.args) if site.function else ():
        if isinstance(each, ast.arg):
            yield each


def list_values(scope: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield what the name, or each of its elements in a loop, stands for."""
    for each in ast.walk(scope):
        if isinstance(each, ast.Assign):
            yield from (each.value for target in each.targets if is_name(target, name))
        elif isinstance(each, ast.AnnAssign | ast.AugAssign):
            yield from [each.value] if each.value and is_name(each.target, name) else []
        elif isinstance(each, ast.For) and is_name(each.target, name):
            yield each.iter


def is_name(node: ast.AST | None, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def mentions(annotation: ast.expr | None, name: str) -> bool:
    """Return True also for Annotated[Job, Body()] and Job | None."""
    return annotation is not None and any(is_name(each, name) for each in ast.walk(annotation))


def is_plain_argument(site: CodeSite, argument: ast.arg) -> bool:
    """Return False for what the framework, a dependency, or other code makes, such as a session."""
    if argument.annotation is not None:
        return is_plain_type(argument.annotation)
    decorators = site.function.decorator_list if site.function else ()
    calls = (each.func for each in decorators if isinstance(each, ast.Call))
    is_endpoint = any(get_last_name(each) in OF_ENDPOINTS for each in calls)
    return is_endpoint and argument.arg not in {*OF_FRAMEWORK, *list_made(site)}


def list_made(site: CodeSite) -> Iterator[str]:
    """Yield arguments whose defaults are calls, such as Depends(get_session)."""
    if site.function is None:
        return
    taken = site.function.args
    pairs = [
        *zip(reversed((*taken.posonlyargs, *taken.args)), reversed(taken.defaults), strict=False),
        *zip(taken.kwonlyargs, taken.kw_defaults, strict=True),
    ]
    yield from (each.arg for each, default in pairs if isinstance(default, ast.Call))


def is_plain_type(annotation: ast.expr) -> bool:
    names = {get_last_name(each) for each in ast.walk(annotation)} - {None}
    return bool(names) and names <= PLAIN_TYPES


def gives_data(site: CodeSite, call: ast.Call) -> bool:
    """Return True if the result is such data, or if nothing shows that it is another object."""
    functions = [each for each in site.source.tree.body if isinstance(each, ast.FunctionDef)]
    own = [each for each in functions if is_name(call.func, each.name)]
    is_annotated = any(each.returns is not None and is_plain_type(each.returns) for each in own)
    if is_annotated or (resolve_call(site.source, call) or "").startswith(COPYABLE):
        return True
    scope = site.function or site.source.tree
    parents = map_parents(scope)
    parent, uses = parents[call], list[ast.expr]([call])
    if isinstance(parent, ast.Assign | ast.AnnAssign | ast.NamedExpr):
        uses += [use for name in find_assigned(parent) for use in list_uses(scope, name)]
    is_known = bool(own) and all(returns_data(site, each) for each in own)
    return not any(is_object_use(each, parents, is_known=is_known) for each in uses)


def returns_data(site: CodeSite, function: ast.FunctionDef) -> bool:
    inside = replace(site, function=function)
    given = (each.value for each in walk_own(function) if isinstance(each, ast.Return))
    return all(each is None or is_data(inside, each) for each in given)


def is_object_use(node: ast.expr, parents: Mapping[ast.AST, ast.AST], *, is_known: bool) -> bool:
    """Return True for a `with`, for an object's attribute, and for a loop, which may read a
    generator. is_known: the object is such data, whose methods may be called."""
    parent = parents[node]
    if isinstance(parent, ast.Attribute):
        reader = parents[parent]
        is_called = isinstance(reader, ast.Call) and reader.func is parent
        return not is_called or parent.attr not in (DATA_METHODS if is_known else TEXT_METHODS)
    if isinstance(parent, ast.For | ast.comprehension):
        return parent.iter is node and not is_known
    return isinstance(parent, ast.withitem)
