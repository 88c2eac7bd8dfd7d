"""Scenarios from a user's file, run for real: one on the project's app, one on their server."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.process.support import cells, study

pytestmark = pytest.mark.slow
FILE = """
from scenarios.model import Endpoint, Load, Scenario, Server

def make(name, **more):
    return Scenario(
        name=name, group="mine", question="And mine?", expect="20 rps", why="It is mine.",
        load=Load(users=2, spawn_rate=50.0, duration_s=1.0), **more,
    )

OWN = make(
    "my-sleep", endpoint=Endpoint("/async/sleep", "async def"), server=Server(), delay_s=0.1
)
THEIRS = make(
    "my-service", endpoint=Endpoint("/orders", "async def"), server=Server("given"), url="%s"
)
THEIR_APP = make(
    "my-app", endpoint=Endpoint("/nap", "async def that blocks"), server=Server(app="shop:api")
)
"""
SHOP = """
import os, sys, time
from fastapi import FastAPI

api = FastAPI()

@api.get("/nap")
async def nap() -> str:
    time.sleep(0.05)
    return os.environ["APP_OF_THE_USER"]

@api.get("/chatty")
async def chatty() -> None:
    print(f"payload: {'A' * 300_000}", file=sys.stderr, flush=True)
    time.sleep(0.05)
"""
CHATTY = """
from scenarios.model import Endpoint, Load, Scenario, Server

CHATTY = Scenario(
    name="chatty", group="mine", question="And mine?", expect="20 rps", why="It is mine.",
    load=Load(users=2, spawn_rate=50.0, duration_s=1.0),
    endpoint=Endpoint("/chatty", "async def that blocks"), server=Server(app="shop:api"),
)
"""


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_all_are_run_and_reported(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP_OF_THE_USER", "theirs")
    path = tmp_path / "mine.py"
    path.write_text(FILE % service)
    (tmp_path / "shop.py").write_text(SHOP)
    done = study(
        "run", str(path), "--pool", "7", "--expect", "my-sleep: failures == 0",
        "--no-predict", "--no-report", "--port", "0", "--out", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (folder,) = (each for each in (tmp_path / "out").iterdir() if each.is_dir())
    assert folder.name.endswith("-mine")
    by_name = {cell["scenario"]: cell for cell in cells(tmp_path / "out")}
    assert by_name["my-sleep"]["pool_total"] == 7
    sites = by_name["my-app"]["blocking_sites"]
    assert isinstance(sites, list)
    assert (sites[0]["file"], sites[0]["function"], sites[0]["cause"]) == ("shop.py", "nap", "wait")
    for name in ("my-sleep", "my-service", "my-app"):
        assert by_name[name]["ok_rps"]
        assert by_name[name]["failures"] == 0


@pytest.mark.timeout(60)
def test_long_lines_in_a_log_end_no_run(tmp_path: Path) -> None:
    """A search that costs the square of a line's length takes minutes for each of these lines."""
    path = tmp_path / "mine.py"
    path.write_text(CHATTY)
    (tmp_path / "shop.py").write_text(SHOP)
    done = study(
        "run", str(path), "--no-predict", "--no-report", "--port", "0", "--out",
        str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (cell,) = cells(tmp_path / "out")
    assert cell["interrupted"] is None
    assert cell["ok_rps"]
