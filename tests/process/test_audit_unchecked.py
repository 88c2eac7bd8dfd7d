"""Services that answer instead of their endpoints: no audit of them gives the all-clear."""

import re
import sys
from pathlib import Path

import pytest

from tests.process.support import only_run, run_here

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(150)]
SERVICE = """
import os, time
from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

api = FastAPI()
kind, served = os.environ["ANSWERS"], 0

@api.middleware("http")
async def answer(request: Request, call_next):
    global served
    if kind == "redirect" and request.url.path != "/openapi.json":
        return RedirectResponse("https://localhost/")
    if kind == "login" and request.url.path != "/":
        return Response(status_code=401)
    served += 1
    if kind == "limit" and served > 9:
        return Response(status_code=429)
    return await call_next(request)

@api.get("/items/{item_id}")
async def read_item(item_id: int) -> None:
    if served > 9:
        time.sleep(0.12)

@api.get("/")
async def read_root() -> None: ...
"""


def audit(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str, Path]:
    """Return the exit code, the output and the run."""
    (folder / "main.py").write_text(SERVICE)
    monkeypatch.setenv("ANSWERS", kind)
    out = folder / f"out-{kind}"
    done = run_here(
        (
            "audit", "--users", "3", "--duration", "2s", "--out", str(out), "--fail-on", "error",
            "--", sys.executable, "-B", "-m", "uvicorn", "main:api", "--port", "0",
        ),
        folder,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr, only_run(out)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (
            "redirect",
            r"The audit says little about routes of which most requests failed: GET /(items/1)? "
            r"\(([\d,]+) of \2: redirect 307\), ",
        ),
        ("login", r"GET /openapi\.json returns 401, so only GET / is sent\."),
    ],
)
def test_an_audit_that_reached_no_endpoint_keeps_no_threshold(
    kind: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said, _ = audit(tmp_path, kind, monkeypatch)
    assert code == 3, said
    assert re.search(rf"^\? --fail-on error: unknown\. {why}", said, re.MULTILINE), said


def test_what_a_rate_limit_hides_is_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said, before = audit(tmp_path, "nothing", monkeypatch)
    assert code == 1, said
    code, said, after = audit(tmp_path, "limit", monkeypatch)
    assert code == 3, said
    assert re.search(
        r"unknown\. The audit says little about .*GET /items/\{item_id\} \(.*: 429\)", said
    ), said
    done = run_here(("compare", str(before), str(after)))
    (row,) = re.findall(r"main\.py read_item .*", done.stdout)
    assert row.endswith(" not seen"), done.stdout
