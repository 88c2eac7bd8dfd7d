"""Hooks where FastAPI and Starlette call an endpoint (fastapi/routing.py: run_endpoint_function;
starlette/routing.py: request_response; starlette/endpoints.py: HTTPEndpoint.dispatch)."""

from __future__ import annotations

import functools
import sys
from copy import copy
from types import ModuleType
from typing import cast

from .endpoint_code import find_obstacle
from .offload import Call, find_offload, run_in_pool
from .request_record import current
from .routes import Scope


def offload_routes(module: ModuleType) -> None:
    """Wrap `request_response` before the app creates its routes: a route keeps the function."""
    original = module.request_response

    @functools.wraps(original)
    def request_response(function: Call) -> object:
        if find_obstacle(function) is not None:  # such as FastAPI's, which resolves dependencies
            return original(function)

        async def call(request: object) -> object:
            offload = find_offload(cast(Scope, vars(request)["scope"]))
            if offload is None:
                return await function(request)
            return await run_in_pool(offload, function, request)

        return original(functools.update_wrapper(call, function, updated=()))

    vars(module)["request_response"] = request_response


def offload_endpoint_classes() -> None:
    cls = getattr(sys.modules.get("starlette.endpoints"), "HTTPEndpoint", None)
    if cls is None or hasattr(cls.dispatch, "probe_original"):
        return
    original = cls.dispatch

    @functools.wraps(original)
    async def dispatch(self: object) -> None:
        scope = cast(Scope, vars(self)["scope"])
        offload, method = find_offload(scope), str(scope["method"]).lower()
        name = "get" if method == "head" and not hasattr(self, "head") else method
        if offload is not None and find_obstacle(getattr(self, name, None)) is None:
            run = functools.partial(run_in_pool, offload, getattr(self, name))
            setattr(self, name, run)
        await original(self)

    dispatch.probe_original = original  # type: ignore[attr-defined]
    cls.dispatch = dispatch


def offload_fastapi() -> None:
    module = sys.modules.get("fastapi.routing")
    original = getattr(module, "run_endpoint_function", None)
    if module is None or original is None or hasattr(original, "probe_original"):
        return

    @functools.wraps(original)
    async def run_endpoint_function(*, dependant: object, **options: object) -> object:
        record, function = current.get(), dependant.call  # type: ignore[attr-defined]
        offload = None if record is None else find_offload(record.scope)
        if offload is not None and options["is_coroutine"] and find_obstacle(function) is None:

            async def call(**named: object) -> object:
                return await run_in_pool(offload, function, **named)

            dependant = copy(dependant)
            dependant.call = functools.update_wrapper(call, function, updated=())  # type: ignore[attr-defined]
        return await original(dependant=dependant, **options)

    run_endpoint_function.probe_original = original  # type: ignore[attr-defined]
    vars(module)["run_endpoint_function"] = run_endpoint_function
