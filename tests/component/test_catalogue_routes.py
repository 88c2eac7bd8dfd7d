"""Every scenario of the catalogue requests a route of its app, in the style that it declares."""

import importlib
import inspect
from urllib.parse import urlsplit

import pytest
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Match

from scenarios.catalogue import CATALOGUE
from scenarios.model import APP_TARGETS, Scenario

PYTHON = tuple(each for each in CATALOGUE if each.server.is_python)


def load_app(name: str) -> Starlette:
    module, _, attribute = APP_TARGETS[name].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    assert isinstance(found, Starlette)
    return found


def find_route(app: Starlette, method: str, path: str) -> BaseRoute:
    """The first route that matches, as in Starlette."""
    scope = {"type": "http", "method": method, "path": urlsplit(path).path, "root_path": ""}
    return next(each for each in app.routes if each.matches({**scope})[0] is Match.FULL)


@pytest.mark.parametrize("scenario", PYTHON, ids=lambda each: each.name)
def test_its_route_is_there(scenario: Scenario) -> None:
    app, asked = load_app(scenario.server.app), scenario.endpoint
    route = find_route(app, asked.method, asked.path)
    if isinstance(route, APIRoute):  # a mounted app has an endpoint of its own
        is_async = inspect.iscoroutinefunction(route.endpoint)
        assert is_async == (asked.style != "def")
    paths = {scenario.bystander.path, *([scenario.rare.path] if scenario.rare else [])}
    for path in paths:
        find_route(app, "GET", path)
