"""What a machine can hold of the house's rules: sizes, names, and that a fact has one place.

What does not keep a rule stands in exceptions.toml with its reason. The lists can only shrink: one
that keeps the rule again fails until it is taken off, and a size there is the most it may have.
"""

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from analysis.metrics import METRICS
from app.settings import read_settings
from app.systems.databases import read_database_settings
from app.systems.environment import SettingsError
from scenarios.options import Option, list_options
from scenarios.settings import Overrides

ROOT = Path(__file__).resolve().parents[1]
METRIC_KEYS = frozenset(each.key for each in METRICS if each.views)
FOLDERS = (
    "app", "slow_upstream", "probe/asgi_probe", "scenarios", "records", "stress", "analysis",
    "study",
)  # fmt: skip
COMMAND_LINE = ("study/commands/", "study/cli.py", "study/options.py")
SERVERS_AT_HOME = ("stress/servers/", "scenarios/", "app/", "probe/")
SERVERS = frozenset(path.stem for path in (ROOT / "stress" / "servers").glob("[a-z]*.py")) | {
    "gunicorn", "uvicorn", "axum", "gin",
}  # fmt: skip
LOAD_PROCESSES = tuple(
    f"stress/{each}.py"
    for each in (
        "load/locustfile",
        "load/distributed",
        "load/process",
        "load/bounded_body",
        "load/guarded_messages",
        "audit/locust_plugin",
    )
)
BAD_WORDS = frozenset({"told", "foretold", "foretell", "dearer", "whoever", "riddle", "somebody"})
IRREGULAR = frozenset(
    [
        "begun",
        "built",
        "chosen",
        "drawn",
        "found",
        "given",
        "gone",
        "got",
        "heard",
        "held",
        "kept",
        "known",
        "left",
        "lost",
        "made",
        "said",
        "seen",
        "sent",
        "shown",
        "taken",
        "told",
        "written",
    ]
)
NO_PARTICIPLES = frozenset({"need", "ping", "speed", "string", "embed", "feed", "exceed"})
MOST_PARAMETERS, MOST_FUNCTION_LINES, MOST_FILE_LINES = 6, 30, 250

Function = ast.FunctionDef | ast.AsyncFunctionDef
Named = str
Sized = tuple[str, int]


@cache
def parse_sources() -> Mapping[str, ast.Module]:
    paths = (path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in paths}


def iterate_functions() -> Iterator[tuple[str, Function]]:
    for path, tree in parse_sources().items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{path}:{node.name}", node


def iterate_texts() -> Iterator[tuple[str, str]]:
    """Constants; docstrings are too long to be a name."""
    for path, tree in parse_sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


def find_many_parameters() -> Iterator[Sized]:
    for name, node in iterate_functions():
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        count = sum(each.arg not in ("self", "cls") for each in arguments)
        if count > MOST_PARAMETERS and not name.startswith(COMMAND_LINE):
            yield name, count


def find_long_functions() -> Iterator[Sized]:
    for name, node in iterate_functions():
        assert node.end_lineno is not None
        lines = node.end_lineno - node.lineno + 1
        if ast.get_docstring(node):  # what it says of itself is no code
            said = node.body[0]
            assert said.end_lineno is not None
            lines -= said.end_lineno - said.lineno + 1
        if lines > MOST_FUNCTION_LINES:
            yield name, lines


def find_long_files() -> Iterator[Sized]:
    for path in parse_sources():
        lines = len((ROOT / path).read_text().splitlines())
        if lines > MOST_FILE_LINES:
            yield path, lines


def find_server_names() -> Iterator[Named]:
    for path, text in iterate_texts():
        if text in SERVERS and not path.startswith(SERVERS_AT_HOME):
            yield f"{path}:{text}"


def find_participles() -> Iterator[Named]:
    """Of functions that are called by their name: a property is a noun, a route has its path."""
    for name, node in iterate_functions():
        first = node.name.strip("_").split("_")[0]
        ends = first.endswith(("ed", "ing")) and first not in NO_PARTICIPLES
        if not node.decorator_list and (ends or first in IRREGULAR):
            yield name


def find_bad_words() -> Iterator[Named]:
    """Of what is called or passed: functions, classes, parameters, and fields."""
    for path, tree in parse_sources().items():
        for node in ast.walk(tree):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", get_public_name(node)).lower().split("_")
            if BAD_WORDS & set(words):
                yield f"{path}:{get_public_name(node)}"


def get_public_name(node: ast.AST) -> str:
    if isinstance(node, Function | ast.ClassDef):
        return node.name
    if isinstance(node, ast.arg):
        return node.arg
    target = node.target if isinstance(node, ast.AnnAssign) else None
    return target.id if isinstance(target, ast.Name) else ""


def find_shared_class_names() -> Iterator[Named]:
    names = [
        node.name
        for tree in parse_sources().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    yield from (name for name, count in Counter(names).items() if count > 1)


def find_widths() -> Iterator[Named]:
    """A terminal's width is the renderer's."""
    for path, tree in parse_sources().items():
        if path == "analysis/report/table.py":
            continue
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                names = [each.id for each in node.targets if isinstance(each, ast.Name)]
                if node.value.value in (78, 79, 80) and any("WIDTH" in each for each in names):
                    yield path


def find_locust_imports() -> Iterator[Named]:
    """Import-linter holds it between the folders; this within `stress`."""
    for path, tree in parse_sources().items():
        for node in ast.walk(tree):
            modules = (
                [each.name for each in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom)
                else []
            )  # fmt: skip
            patches = any(re.match(r"(locust|gevent|geventhttpclient)\b", each) for each in modules)
            if patches and path not in LOAD_PROCESSES:
                yield path


def find_options_declared_again() -> Iterator[Named]:
    """Parameters of commands that are named as an option of `scenarios.settings`."""
    declared = {each.field for each in list_options(Overrides)}
    for name, node in iterate_functions():
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        if name.startswith(COMMAND_LINE) and declared & {each.arg for each in arguments}:
            yield name


def find_metric_tables() -> Iterator[Named]:
    """Collections that name four metrics of a cell and more: a view is derived instead."""
    for path, tree in parse_sources().items():
        if not path.startswith(("analysis/", "study/")) or path == "analysis/metrics.py":
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                named = METRIC_KEYS & {
                    each.value for each in ast.walk(node) if isinstance(each, ast.Constant)
                }
                if len(named) >= 4:
                    yield path


ENCODING_AT = {"read_text": 0, "write_text": 1, "open": 2}
"""The place of the encoding among a method's positional arguments."""


def find_texts_in_the_encoding_of_the_locale() -> Iterator[Named]:
    """A record that is written as UTF-8 could not be read again where the locale has another."""
    for path, tree in parse_sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                known = "open" if name == "open" else name.rpartition(".")[2] if "." in name else ""
                if known in ENCODING_AT and name != "os.open" and not states_encoding(known, node):
                    yield path


def states_encoding(name: str, call: ast.Call) -> bool:
    """Another `open` than a file's has something else than a mode, and binary files need none."""
    given = call.args[isinstance(call.func, ast.Name) :]
    if len(given) > ENCODING_AT[name] or any(each.arg == "encoding" for each in call.keywords):
        return True
    mode = given[0].value if given and isinstance(given[0], ast.Constant) else "r"
    is_other = bool(given) and not isinstance(given[0], ast.Constant)
    return name == "open" and (is_other or "b" in str(mode))


Rule = Callable[[], Iterator[Named]]
NAMES: Mapping[str, Rule] = {
    "servers by name only where they are at home": find_server_names,
    "functions are verbs": find_participles,
    "no riddles in names": find_bad_words,
    "one name, one class": find_shared_class_names,
    "the terminal's width in one place": find_widths,
    "locust only in its own processes": find_locust_imports,
    "options declared once": find_options_declared_again,
    "metrics declared once": find_metric_tables,
    "texts are read and written in a stated encoding": find_texts_in_the_encoding_of_the_locale,
}
SIZES: Mapping[str, Callable[[], Iterator[Sized]]] = {
    "at most six parameters, but for the command line": find_many_parameters,
    "functions of at most 30 lines": find_long_functions,
    "files of at most 250 lines": find_long_files,
}


@cache
def load_exceptions() -> Mapping[str, Mapping[str, str | tuple[int, str]]]:
    """By rule and name: the reason; of a size, what it may be and the reason."""
    return tomllib.loads((ROOT / "tests" / "exceptions.toml").read_text())


def test_every_exception_is_of_a_rule() -> None:
    assert set(load_exceptions()) <= {*NAMES, *SIZES}


@pytest.mark.parametrize("rule", NAMES)
def test_a_name_keeps_the_rule(rule: str) -> None:
    found, excepted = set(NAMES[rule]()), set(load_exceptions().get(rule, {}))
    assert sorted(found - excepted) == [], f"new against the rule: {rule}"
    assert sorted(excepted - found) == [], "they keep it now: take them off exceptions.toml"


@pytest.mark.parametrize("rule", SIZES)
def test_a_size_keeps_the_rule(rule: str) -> None:
    found = dict(SIZES[rule]())
    allowed = {name: each[0] for name, each in load_exceptions().get(rule, {}).items()}
    grown = {name: size for name, size in found.items() if size > int(allowed.get(name, 0))}
    assert grown == {}, f"new against the rule, or more than before: {rule}"
    assert sorted(set(allowed) - set(found)) == [], "they keep it now: take them off"


def list_environment_options() -> list[Option]:
    return [each for each in list_options(Overrides) if each.setting.environment]


@pytest.mark.parametrize("option", list_environment_options(), ids=lambda each: each.field)
def test_the_specimen_reads_what_the_option_declares(option: Option) -> None:
    """app/ imports nothing of ours, so bounds and choices stand there once more: the same ones."""
    name = option.setting.environment
    scale = 1000 if name.endswith("_MS") else 1
    lowest, highest = option.setting.bounds or (0, 0)
    good = option.choices or (f"{lowest * scale:.0f}", f"{highest * scale:.0f}")
    bad = ("none of them",) if option.choices else (f"{highest * scale + 1:.0f}", "-1")
    for value in good:
        read_all({name: value})
    for value in (*bad, *(["0"] if lowest > 0 else [])):
        with pytest.raises(SettingsError, match=name):
            read_all({name: value})


def read_all(environment: Mapping[str, str]) -> None:
    read_settings(environment)
    read_database_settings(environment)
