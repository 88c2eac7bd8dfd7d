"""A route has the same name in the probe's metrics as in what the frameworks send themselves."""

import asyncio

import anyio.to_thread
import pytest
from asgi_probe import Probe
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from tests.probe.support import ask
from tests.probe.test_metrics import RecordedMetrics

pytest.importorskip("opentelemetry.sdk.metrics")
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def list_own_routes(app: object, *paths: str) -> "set[str]":
    """Ask for the paths; return the routes in the probe's metrics."""
    metrics = RecordedMetrics()
    probe = Probe(app, metrics=metrics)  # type: ignore[arg-type]

    async def run() -> None:
        for path in paths:
            await ask(probe, path)

    asyncio.run(run())
    probe.stop()
    return {route for route, _, _ in metrics.list_labels("thread.wait")}


def test_a_route_has_the_name_that_starlettes_middleware_gives_it() -> None:
    pytest.importorskip("starlette.middleware.opentelemetry")
    from starlette.middleware.opentelemetry import OpenTelemetryMiddleware

    def plain(_: Request) -> Response:
        return PlainTextResponse("x")

    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    inner = [Route("/items/{number:int}", plain)]
    app = Starlette(routes=[Route("/", plain), Mount("/api", routes=inner)])
    routes = list_own_routes(
        OpenTelemetryMiddleware(app, tracer_provider=provider), "/", "/api/items/7"
    )
    assert routes == {"/", "/api/items/{number}"}
    assert routes == {(each.attributes or {})["http.route"] for each in spans.get_finished_spans()}


def test_a_route_has_the_name_that_fastapi_gives_it() -> None:
    pytest.importorskip("fastapi.telemetry")
    reader = InMemoryMetricReader()
    app = FastAPI(telemetry={"meter_provider": MeterProvider([reader])})
    router = APIRouter(prefix="/api")

    @router.get("/items/{number}")
    def item(number: int) -> int:
        return number

    @router.get("/files/{path:path}")
    async def file(path: str) -> str:
        await anyio.to_thread.run_sync(int)
        return path

    app.include_router(router)
    routes = list_own_routes(app, "/api/items/7", "/api/files/a/b")
    assert routes == {"/api/items/{number}", "/api/files/{path}"}
    data = reader.get_metrics_data()
    assert data is not None
    (resource,) = data.resource_metrics
    found = {
        (point.attributes or {}).get("http.route")
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "http.server.request.duration"
        for point in metric.data.data_points
    }
    assert found == routes
