"""Tasks in PostgreSQL: created, and listed page by page: `uvicorn app.systems.tasks:app`.

APP_DATABASE_LIFE says where a request's connection comes from: a pool, or a connect of its own.
"""

import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field, StrictBool

from app.foundation import add_ping, create_base_app
from app.settings import SettingsError, read_thread_limit
from app.systems import databases
from app.systems.databases import (
    MOST_ROWS,
    DatabaseSettings,
    Text,
    add_error_handlers,
    build_validation_error,
)
from app.systems.pools import PostgresPools
from app.systems.strict_json import StrictRoute

PAGE = "SELECT task_id, title, done FROM tasks WHERE task_id > %s ORDER BY task_id LIMIT %s"
CREATE = "INSERT INTO tasks (title, done) VALUES (%s, %s) RETURNING task_id, title, done"
MOST_ID = 2**63 - 1
Connection = AsyncConnection[DictRow]


class NewTask(BaseModel):
    title: Annotated[Text, Field(min_length=1, max_length=200)]
    done: StrictBool = False


class Task(BaseModel):
    task_id: int
    title: str
    done: bool


class TaskPage(BaseModel):
    items: list[Task]
    next: str | None
    """What to give as `after` for the page that follows; null where none does."""


def encode_cursor(task_id: int) -> str:
    return urlsafe_b64encode(str(task_id).encode()).decode().rstrip("=")


def decode_cursor(after: str | None = None) -> int:
    """The id that a cursor stands for; 0, before all tasks, for none. Anything else is a 422."""
    if after is None:
        return 0
    try:
        text = urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode("ascii")
        task_id = int(text) if text.isdecimal() else -1
    except ValueError:
        task_id = -1
    if not 0 <= task_id <= MOST_ID or encode_cursor(task_id) != after:
        raise build_validation_error("give the `next` of an earlier page", "query", "after")
    return task_id


def create_app(settings: DatabaseSettings, threads: int) -> FastAPI:
    pools = PostgresPools(settings)
    app = create_base_app("tasks", threads, pools.open_pools)
    add_ping(app)
    app.router.route_class = StrictRoute
    add_error_handlers(app)

    async def connection() -> AsyncIterator[Connection]:
        if settings.life == "pool":
            async with pools.awaiting.connection() as pooled:
                yield pooled
        else:
            async with await AsyncConnection.connect(
                settings.postgres_url, autocommit=True, row_factory=dict_row
            ) as own:
                yield own

    @app.get("/tasks")
    async def list_tasks(
        asked: Annotated[Connection, Depends(connection, scope="function")],
        after: Annotated[int, Depends(decode_cursor)],
        limit: Annotated[int, MOST_ROWS] = 25,
    ) -> TaskPage:
        rows = await (await asked.execute(PAGE, (after, limit + 1))).fetchall()
        items = [Task.model_validate(row) for row in rows[:limit]]
        return TaskPage(
            items=items, next=encode_cursor(items[-1].task_id) if rows[limit:] else None
        )

    @app.post("/tasks", status_code=201, response_model=Task)
    async def create_task(
        asked: Annotated[Connection, Depends(connection, scope="function")], task: NewTask
    ) -> DictRow | None:
        return await (await asked.execute(CREATE, (task.title, task.done))).fetchone()

    return app


try:
    app = create_app(databases.read_database_settings(), read_thread_limit())
except SettingsError as error:
    sys.exit(f"app.tasks: {error}")
