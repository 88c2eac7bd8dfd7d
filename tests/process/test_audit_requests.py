"""The plan for a real FastAPI app, which accepts every planned request."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from stress.audit.ask import Ask
from stress.audit.requests import RequestOptions, plan_requests
from stress.interruption import Interruption
from stress.machine import find_free_port

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]

SERVICE = """
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Cookie, FastAPI, Header, Path, Query
from pydantic import BaseModel, Field, HttpUrl

app = FastAPI()


class Kind(Enum):
    book = "book"


class Node(BaseModel):
    name: str = Field(pattern="^[a-z]{3}-[0-9]+$")
    children: "list[Node]" = []


class Order(BaseModel):
    number: int = Field(gt=10, multiple_of=7)
    price: Decimal
    when: datetime
    tree: Node
    link: HttpUrl | None


@app.get("/items/{item_id}")
async def read(item_id: Annotated[int, Path(ge=5)], on: date, code: UUID): ...

@app.get("/kinds/{kind}")
async def read_kind(
    kind: Kind, size: Literal["small", "large"], tags: Annotated[list[int], Query()]
): ...

@app.get("/secret")
async def read_secret(
    x_key: Annotated[str, Header(min_length=30)], sid: Annotated[str, Cookie()]
): ...

@app.get("/files/{path:path}")
async def read_file(path: str, ratio: Annotated[float, Query(gt=0, lt=0.1)]): ...

@app.get("/short/{code}")
async def read_short(code: Annotated[str, Path(pattern="^[A-Z]{3}-[0-9]{4}$")]): ...

@app.post("/orders")
async def order(order: Order): ...
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "main.py").write_text(SERVICE)
    port = find_free_port(0)
    words = [sys.executable, "-m", "uvicorn", "main:app", "--port", str(port)]
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "Uvicorn running" in line:
                break
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        process.stderr.read()


def send(url: str, ask: Ask) -> int:
    request = Request(url + ask.target, ask.body, dict(ask.headers), method=ask.method)
    with urlopen(request, timeout=30) as answer:
        status: int = answer.status
    return status


def test_every_request_that_is_planned_is_accepted(url: str) -> None:
    plan = plan_requests(url, RequestOptions(methods="GET,POST"), Interruption())
    assert [each.route for each in plan.asks] == [
        "/items/{item_id}", "/kinds/{kind}", "/secret", "/files/{path}", "/short/{code}", "/orders",
    ]  # fmt: skip
    assert [send(url, each) for each in plan.asks] == [200] * 6
    assert plan.unasked == ()


def test_a_named_request_has_its_template(url: str, tmp_path: Path) -> None:
    texts = ("GET /items/9?on=2026-01-01", "GET /elsewhere/1", "POST /orders {}")
    plan = plan_requests(url, RequestOptions(texts, app_dir=tmp_path), Interruption())
    assert [each.route for each in plan.asks] == ["/items/{item_id}", "/elsewhere/1", "/orders"]
    assert plan.asks[0].target == "/items/9?on=2026-01-01"
