"""The package as others get it: what is public is documented, typed, and named in the README."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import asgi_probe
import pytest

from tests.probe.frozen_time import CLOCKS

PACKAGE = Path(asgi_probe.__file__).parent
PROJECT = PACKAGE.parent
Documented = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def list_exported(tree: ast.Module) -> set[str]:
    """The names of a module's __all__: a module that has one is public."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def iterate_public() -> Iterator[tuple[str, ast.AST]]:
    """Each public function and class where it is defined, and the public methods of the classes."""
    exported = set().union(*(list_exported(parse(path)) for path in PACKAGE.rglob("*.py")))
    for path in PACKAGE.rglob("*.py"):
        for node in parse(path).body:
            if not isinstance(node, Documented) or node.name not in exported:
                continue
            yield f"{path.name}:{node.name}", node
            if isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, Documented) and not method.name.startswith("_"):
                        yield f"{path.name}:{node.name}.{method.name}", method


PUBLIC = dict(iterate_public())


def test_what_is_exported_exists() -> None:
    for name in asgi_probe.__all__:
        assert inspect.getdoc(getattr(asgi_probe, name))
        assert any(each.endswith(f":{name}") for each in PUBLIC)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        asgi_probe.Nothing  # noqa: B018


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_name_has_a_docstring_that_names_its_errors(name: str) -> None:
    node = PUBLIC[name]
    assert isinstance(node, Documented)
    text = ast.get_docstring(node)
    assert text
    raises = any(isinstance(each, ast.Raise) for each in ast.walk(node))
    if raises and not isinstance(node, ast.ClassDef):
        assert "Raises" in text


def test_each_module_has_a_docstring() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert ast.get_docstring(parse(path)), path


def test_its_clocks_are_its_own() -> None:
    """A test that freezes the time replaces the clocks that a module has imported from `time`."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                names = {each.name.replace("_ns", "") for each in node.names}
                assert not names & set(CLOCKS), path


def test_the_readme_names_what_exists() -> None:
    """Its Python examples are whole programs that import public names only."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert blocks
    for block in blocks:
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module == "asgi_probe":
                assert {each.name for each in node.names} <= set(asgi_probe.__all__)


def test_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
