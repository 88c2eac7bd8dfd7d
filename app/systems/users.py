"""A hundred users from PostgreSQL as validated JSON. Start: `uvicorn app.systems.users:app`.

Every endpoint runs the same query; they differ in style and in database library.
"""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.systems.databases import (
    DatabaseSettings,
    Limit,
    create_database_app,
    read_database_settings,
)
from app.systems.environment import exit_on_settings_error
from app.systems.pools import PostgresPools

BY_NUMBER = "SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT $1"
BY_PERCENT = "SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT %s"


class User(BaseModel):
    """A user in the response, validated."""

    model_config = ConfigDict(from_attributes=True)
    user_id: int
    name: str
    email: str
    karma: int
    active: bool


class UserTables(DeclarativeBase):
    """SQLAlchemy's tables."""


class UserRow(UserTables):
    __tablename__ = "users"
    user_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    email: Mapped[str]
    karma: Mapped[int]
    active: Mapped[bool]


Rows = Sequence[UserRow] | Sequence[Mapping[str, object]]


def select_first_users(limit: int) -> Select[UserRow]:
    return select(UserRow).order_by(UserRow.user_id).limit(limit)


def create_app(settings: DatabaseSettings) -> FastAPI:
    pools = PostgresPools(settings)
    app = create_database_app("users", settings, pools.open_pools)
    add_sqlalchemy_endpoints(app, pools)
    add_driver_endpoints(app, pools)
    return app


def add_sqlalchemy_endpoints(app: FastAPI, pools: PostgresPools) -> None:
    @app.get("/sync/users", response_model=list[User])
    def sync_users(limit: Limit = 100) -> Rows:
        with Session(pools.engine) as session:
            return session.scalars(select_first_users(limit)).all()

    @app.get("/async/users/sqlalchemy", response_model=list[User])
    async def async_users_sqlalchemy(limit: Limit = 100) -> Rows:
        async with AsyncSession(pools.async_engine) as session:
            return (await session.scalars(select_first_users(limit))).all()

    @app.get("/async/users/sync", response_model=list[User])
    async def async_users_sync(limit: Limit = 100) -> Rows:
        with Session(pools.engine) as session:
            return session.scalars(select_first_users(limit)).all()


def add_driver_endpoints(app: FastAPI, pools: PostgresPools) -> None:
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


with exit_on_settings_error("app.users"):
    app = create_app(read_database_settings())
