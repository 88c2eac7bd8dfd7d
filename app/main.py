"""The app. Start it with `uvicorn app.main:app` or `sh serve.sh`."""

from fastapi import FastAPI

from app import endpoints, hidden_waits, layers
from app.clients import UpstreamClient
from app.settings import Settings, read_settings
from app.systems.base import create_base_app
from app.systems.environment import exit_on_settings_error
from app.systems.request_id import RequestIdMiddleware
from app.systems.routing import make_route_adder
from app.systems.upstream_errors import add_upstream_error_handler


def create_app(settings: Settings) -> FastAPI:
    upstream, delay_s = UpstreamClient(settings), settings.delay_ms / 1000
    app = create_base_app("asyncio-vs-threads", settings.pool, upstream.open_clients)
    app.add_middleware(RequestIdMiddleware)
    add_upstream_error_handler(app)
    add = make_route_adder(app, settings.thread_lines)
    endpoints.add_http_endpoints(add, upstream)
    endpoints.add_json_endpoints(add)
    endpoints.add_file_endpoints(add, settings.file)
    endpoints.add_sleep_endpoints(add, delay_s)
    endpoints.add_small_endpoints(add)
    hidden_waits.add_health_endpoints(add)
    hidden_waits.add_guarded_endpoints(add)
    hidden_waits.add_executor_endpoints(add, delay_s)
    hidden_waits.add_background_endpoints(add, delay_s)
    hidden_waits.add_stream_endpoints(add)
    layers.add_layers(app)
    return app


with exit_on_settings_error("app"):
    app = create_app(read_settings())
