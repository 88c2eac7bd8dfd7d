"""A hundred users from PostgreSQL as validated JSON: `uvicorn app.users:app`.

The query is the same throughout; what differs is the endpoint's style and the library that asks.
"""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app import databases
from app.databases import MOST_ROWS, Databases, answer_faults
from app.foundation import add_ping, new_app
from app.pools import Pools
from app.settings import SettingsError, threads_from_environment

BY_NUMBER = "SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT $1"
BY_PERCENT = "SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT %s"
Limit = Annotated[int, MOST_ROWS]


class User(BaseModel):
    """What goes out, checked."""

    model_config = ConfigDict(from_attributes=True)
    user_id: int
    name: str
    email: str
    karma: int
    active: bool


class Base(DeclarativeBase):
    """SQLAlchemy's tables."""


class UserRow(Base):
    __tablename__ = "users"
    user_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    karma: Mapped[int]
    active: Mapped[bool]


Rows = Sequence[UserRow] | Sequence[Mapping[str, object]]


def first_users(limit: int) -> Select[UserRow]:
    return select(UserRow).order_by(UserRow.user_id).limit(limit)


def create_app(settings: Databases, threads: int) -> FastAPI:
    pools = Pools(settings)
    app = new_app("users", threads, pools.opened)
    add_ping(app)
    answer_faults(app)
    add_sqlalchemy_endpoints(app, pools)
    add_driver_endpoints(app, pools)
    return app


def add_sqlalchemy_endpoints(app: FastAPI, pools: Pools) -> None:
    @app.get("/sync/users", response_model=list[User])
    def sync_users(limit: Limit = 100) -> Rows:
        with Session(pools.engine) as session:
            return session.scalars(first_users(limit)).all()

    @app.get("/async/users/sqlalchemy", response_model=list[User])
    async def async_users_sqlalchemy(limit: Limit = 100) -> Rows:
        async with AsyncSession(pools.async_engine) as session:
            return (await session.scalars(first_users(limit))).all()

    @app.get("/async/users/sync", response_model=list[User])
    async def async_users_sync(limit: Limit = 100) -> Rows:
        with Session(pools.engine) as session:
            return session.scalars(first_users(limit)).all()


def add_driver_endpoints(app: FastAPI, pools: Pools) -> None:
    @app.get("/async/users", response_model=list[User])
    async def async_users(limit: Limit = 100) -> Rows:
        return [dict(row) for row in await pools.asyncpg.fetch(BY_NUMBER, limit)]

    @app.get("/async/users/psycopg", response_model=list[User])
    async def async_users_psycopg(limit: Limit = 100) -> Rows:
        async with pools.awaiting.connection() as connection:
            return await (await connection.execute(BY_PERCENT, (limit,))).fetchall()

    @app.get("/sync/users/psycopg", response_model=list[User])
    def sync_users_psycopg(limit: Limit = 100) -> Rows:
        with pools.blocking.connection() as connection:
            return connection.execute(BY_PERCENT, (limit,)).fetchall()


try:
    app = create_app(databases.from_environment(), threads_from_environment())
except SettingsError as error:
    sys.exit(f"app.users: {error}")
