"""Which databases the apps ask, and what their callers hear when one of them does not answer."""

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import asyncpg
import psycopg
import sqlalchemy.exc
from fastapi import FastAPI, Query, Request
from pydantic import AfterValidator
from starlette.responses import JSONResponse

from app.settings import SettingsError, number_in, one_of

Life = Literal["pool", "per-request"]
LIVES: tuple[Life, ...] = ("pool", "per-request")
FAULTS = (
    OSError,  # what asyncpg raises where nobody listens
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    psycopg.Error,
    sqlalchemy.exc.SQLAlchemyError,
    sqlite3.Error,
)
MOST_ROWS = Query(ge=1, le=100)


@dataclass(frozen=True, slots=True)
class Databases:
    """pool: connections at the most, of each worker and each library."""

    postgres_url: str
    sqlite: str
    pool: int
    life: Life


def from_environment(env: Mapping[str, str] = os.environ) -> Databases:
    """Reads the `APP_DATABASE_...` variables and APP_SQLITE. Raises SettingsError."""
    url = env.get("APP_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")
    if not url.startswith("postgresql://"):
        raise SettingsError("APP_DATABASE_URL: give postgresql://user@host:port/name")
    return Databases(
        postgres_url=url,
        sqlite=env.get("APP_SQLITE", "items.sqlite"),
        pool=number_in(env, "APP_DATABASE_POOL", 5, 1, 1000),
        life=one_of(env, "APP_DATABASE_LIFE", LIVES),
    )


def answer_faults(app: FastAPI) -> None:
    """A database that refuses or fails is a 503: its caller may come again, nothing crashed."""

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        said = " ".join(str(error).split())
        return JSONResponse({"detail": f"database: {said}"}, status_code=503)

    for kind in FAULTS:
        app.add_exception_handler(kind, unavailable)


def without_nul(text: str) -> str:
    """PostgreSQL has no text with a NUL in it."""
    if "\0" in text:
        raise ValueError("give a text without NUL")
    return text


Text = Annotated[str, AfterValidator(without_nul)]
