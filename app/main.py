"""The app: `uvicorn app.main:app`, or `sh serve.sh`."""

import sys
from collections.abc import Callable

from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse

from app import endpoints, hidden_waits, layers
from app.clients import UpstreamClient, UpstreamError
from app.context import Dependency, Endpoint, RequestIdMiddleware, add_thread_logging
from app.foundation import create_base_app
from app.settings import Settings, SettingsError, read_settings


def create_app(settings: Settings) -> FastAPI:
    upstream = UpstreamClient(settings)
    app = create_base_app("asyncio-vs-threads", settings.pool, upstream.open_clients)
    app.add_middleware(RequestIdMiddleware)

    @app.exception_handler(UpstreamError)
    async def upstream_error(_: Request, error: UpstreamError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, status_code=error.status)

    def add(path: str, *needs: Dependency) -> Callable[[Endpoint], Endpoint]:
        """A GET route with and without the slash, so that nothing is redirected. `needs` are
        called before each request."""

        def adding(endpoint: Endpoint) -> Endpoint:
            spoken = add_thread_logging(path, endpoint) if settings.thread_lines else endpoint
            depends = [Depends(each) for each in needs]
            for spelling in (path, path + "/"):
                app.get(spelling, response_model=None, dependencies=depends)(spoken)
            return endpoint

        return adding

    endpoints.add_http_endpoints(add, upstream)
    endpoints.add_json_endpoints(add)
    endpoints.add_file_endpoints(add, settings.file)
    endpoints.add_sleep_endpoints(add, settings.delay_ms / 1000)
    endpoints.add_small_endpoints(add)
    hidden_waits.add_health_endpoints(add)
    hidden_waits.add_guarded_endpoints(add)
    hidden_waits.add_executor_endpoints(add, settings.delay_ms / 1000)
    hidden_waits.add_background_endpoints(add, settings.delay_ms / 1000)
    hidden_waits.add_stream_endpoints(add)
    layers.add_layers(app)
    return app


try:
    app = create_app(read_settings())
except SettingsError as error:
    sys.exit(f"app: {error}")
