"""Names that only begin like another one: of a folder, a module, a mount or a parameter."""

from __future__ import annotations

import os
import re
import sysconfig
from pathlib import Path
from types import SimpleNamespace

import pytest
from asgi_probe.function_source import is_library
from asgi_probe.loop_monitor import format_user_line
from asgi_probe.routes import find_route, has_names
from asgi_probe.stacks import PROBE_HOME, StackTexts
from asgi_probe.waits import describe_pool, is_waiter

ROOT = Path("/srv/shop")
STDLIB = sysconfig.get_path("stdlib")


@pytest.mark.parametrize("home", [PROBE_HOME.rstrip(os.sep), STDLIB])
def test_a_folder_next_to_a_librarys_is_the_users(home: str) -> None:
    assert is_library(f"{home}/x.py")
    assert not is_library(f"{home}_demo/x.py")


def test_the_code_of_a_neighbour_of_the_probe_is_in_the_stack() -> None:
    for folder, is_shown in ((PROBE_HOME.rstrip(os.sep), False), (f"{ROOT}/asgi_probe", True)):
        code = compile("", f"{folder}/x.py", "exec")
        assert (StackTexts().format_stack([(code, 1, {})]) is not None) == is_shown
    neighbour = compile("", f"{PROBE_HOME.rstrip(os.sep)}_demo/x.py", "exec")
    assert StackTexts().format_stack([(neighbour, 1, {})]) is not None


def test_equal_functions_of_two_files_keep_their_files() -> None:
    """A copied module: Python calls their code objects equal."""
    texts, found = StackTexts(), []
    for file in ("/srv/shop/v1/items.py", "/srv/shop/v2/items.py"):
        code = compile("def read(): ...", file, "exec").co_consts[0]
        found.append(texts.format_stack([(code, 1, {})]))
    assert "/v1/" in (found[0] or "")
    assert "/v2/" in (found[1] or "")


@pytest.mark.parametrize(
    ("file", "root", "line"),
    [
        ("/srv/shop/site-packages-demo/x.py", ROOT, "site-packages-demo/x.py:3 <module>"),
        ("/srv/shop/site-packages/x.py", ROOT, None),
        ("/srv/shop2/x.py", ROOT, None),
        (f"{STDLIB}/asyncio/events.py", Path("/"), None),
    ],
)
def test_a_line_is_the_users_by_its_folders(file: str, root: Path, line: str | None) -> None:
    assert format_user_line(compile("", file, "exec"), 3, root) == line


@pytest.mark.parametrize(
    ("module", "waits"),
    [("queue", True), ("concurrent.futures._base", True), ("queue_tools", False),
     ("anyio_extras.pool", False)],
)  # fmt: skip
def test_a_module_is_a_librarys_by_its_parts(module: str, waits: bool) -> None:
    code = compile("", "x.py", "exec")
    assert is_waiter((code, 1, {"__name__": module})) == waits


def test_a_pool_is_of_its_own_module() -> None:
    class Pool:
        maxsize = 3

    assert describe_pool("queue", Pool()) is not None
    assert describe_pool("queue_tools", Pool()) is None


class Route:
    """A router's route in an older Starlette, which keeps none in the request."""

    def __init__(self, path: str) -> None:
        self.path, self.path_regex, self.endpoint = path, re.compile(f"^{path}$"), find_route


def test_a_mount_is_cut_from_a_path_by_its_parts() -> None:
    router = SimpleNamespace(routes=[Route("/v1/items"), Route("2/v1/items")])
    scope = {"endpoint": find_route, "router": router}
    assert find_route({**scope, "root_path": "/shop", "path": "/shop/v1/items"}) == "/v1/items"
    assert find_route({**scope, "root_path": "/shop", "path": "/shop2/v1/items"}) == (
        "/shop2/v1/items"
    )


def test_a_route_has_a_parameter_of_that_whole_name() -> None:
    assert has_names("/items/{item}", {"item": 1})
    assert has_names("/items/{item:int}", {"item": 1})
    assert not has_names("/items/{item_group}", {"item": 1})
