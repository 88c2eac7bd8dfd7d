"""Calls routes of a corpus app unchanged, and again with the route's endpoint in a thread.

python -m tests.corpus.compare_answers mounted_app

Prints one line of JSON per route: the route, the reason why its endpoint could not be moved or
null, and both responses. Runs in its own process, because importing the module creates the app.
"""

import asyncio
import importlib
import json
import os
import sys
import tempfile

from asgi_probe import import_hook, offload
from asgi_probe.attach_report import DIRECTORY_VARIABLE, TRIAL_VARIABLE
from asgi_probe.middleware import Probe
from asgi_probe.offload_change import OffloadChange
from asgi_probe.routes import App, Message

from tests.corpus.labels import APPS, load_app
from tests.probe.support import ask

NO_ROUTE = "/no-route"
CHANGING = (b"date", b"last-modified", b"etag")


def list_routes(name: str) -> dict[str, str]:
    """Map each path that is called with GET to its route."""
    app = load_app(APPS / f"{name}.toml")
    asked = ((each.asking, each.route) for each in app.labels)
    return {one.target: route for one, route in asked if one and route and one.method == "GET"}


async def start(app: App) -> "asyncio.Future[None]":
    """Start the app's lifespan, which continues while the returned future is referenced."""

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()  # runs until the loop ends
        raise AssertionError

    async def send(_: Message) -> None:
        started.set()

    messages: list[Message] = [{"type": "lifespan.startup"}]
    started = asyncio.Event()
    lifespan = asyncio.ensure_future(app({"type": "lifespan"}, receive, send))
    await started.wait()
    return lifespan


async def describe_answer(app: App, target: str) -> str:
    try:
        answer = await ask(app, target, host="app")
    except Exception as error:  # the server's to handle
        return repr(error)
    headers = [each for each in answer.headers if each[0] not in CHANGING]
    return f"{answer.status} {headers} {answer.body}"


async def compare(app: App, routes: dict[str, str]) -> None:
    lifespan = await start(app)
    await describe_answer(app, NO_ROUTE)  # from now on the change is applied
    (change,) = offload.offloads
    assert isinstance(change, OffloadChange)
    for target, route in routes.items():
        change.route = NO_ROUTE
        before = await describe_answer(app, target)
        change.route, change.applied, change.invalid = route, False, "not asked"
        after = await describe_answer(app, target)
        print(json.dumps((route, change.invalid, before, after)), flush=True)
    lifespan.cancel()


def main() -> None:
    (name,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder  # for the app's own files too
        os.environ[DIRECTORY_VARIABLE] = folder
        os.environ[TRIAL_VARIABLE] = json.dumps({"offload": NO_ROUTE})
        import_hook.install()
        sys.path.insert(0, str(APPS))
        app = importlib.import_module(name).app
        asyncio.run(compare(Probe(app), list_routes(name)))
    os._exit(0)  # some apps start threads that never end


if __name__ == "__main__":
    main()
