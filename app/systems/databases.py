"""Database settings, and the responses to a caller when a database fails or a value is invalid."""

import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager as AsyncContext
from dataclasses import dataclass
from typing import Annotated, Literal

import asyncpg
import psycopg
import sqlalchemy.exc
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, BaseModel
from starlette.responses import JSONResponse

from app.settings import read_thread_limit
from app.systems.base import create_base_app
from app.systems.environment import SettingsError, read_choice, read_number

Life = Literal["pool", "per-request"]
LIVES: tuple[Life, ...] = ("pool", "per-request")
FAULTS = (
    OSError,  # asyncpg raises it when nothing listens on the port
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    psycopg.Error,
    sqlalchemy.exc.SQLAlchemyError,
    sqlite3.Error,
)
ADDRESS = re.compile(r' (to server )?at "[^"]*"(, port \d+)?|\(\'[^\']*\', \d+\)')
ERROR_KEYS = ("type", "loc", "msg")
Limit = Annotated[int, Query(ge=1, le=100)]
"""The number of rows that a caller may request."""


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """threads: size of anyio's pool. pool: maximum connections per worker and library."""

    threads: int
    postgres_url: str
    sqlite: str
    pool: int
    life: Life


def read_database_settings(env: Mapping[str, str] = os.environ) -> DatabaseSettings:
    """Read APP_POOL, APP_SQLITE and the `APP_DATABASE_...` variables. Raises SettingsError."""
    url = env.get("APP_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    if not url.startswith("postgresql://"):
        raise SettingsError("APP_DATABASE_URL: give postgresql://user@host:port/name")
    return DatabaseSettings(
        threads=read_thread_limit(env),
        postgres_url=url,
        sqlite=env.get("APP_SQLITE", "items.sqlite"),
        pool=read_number(env, "APP_DATABASE_POOL", 5, 1, 1000),
        life=read_choice(env, "APP_DATABASE_LIFE", LIVES),
    )


# The simplest endpoint: one small object, validated like every other response.
class PingResponse(BaseModel):
    ping: str


def create_database_app(
    title: str, settings: DatabaseSettings, opened: Callable[[], AsyncContext[None]]
) -> FastAPI:
    """Create the app. `opened` keeps the pools open while it runs. A database that refuses or fails
    gives a 503: the app did not crash, and the caller may retry."""
    app = create_base_app(title, settings.threads, opened)

    @app.get("/ping")
    async def ping() -> PingResponse:
        return PingResponse(ping="pong")

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": format_database_error(error)}, status_code=503)

    for kind in FAULTS:
        app.add_exception_handler(kind, unavailable)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        """Leave out the input, which FastAPI would repeat: infinity is not valid JSON, and a lone
        surrogate is not valid UTF-8."""
        errors = [{key: each[key] for key in ERROR_KEYS} for each in error.errors()]
        return JSONResponse({"detail": errors}, status_code=422)

    return app


def build_validation_error(message: str, *where: str) -> RequestValidationError:
    """Build a 422 in the form of all the others."""
    return RequestValidationError([{"type": "value_error", "loc": where, "msg": message}])


def format_database_error(error: Exception) -> str:
    """Remove the server's address, which callers must not see."""
    return f"database: {ADDRESS.sub('', ' '.join(str(error).split()))}"


def reject_nul(text: str) -> str:
    """Raise ValueError for a NUL, which PostgreSQL cannot store in text."""
    if "\0" in text:
        raise ValueError("give a text without NUL")
    return text


Text = Annotated[str, AfterValidator(reject_nul)]
