"""Tasks in PostgreSQL, created and listed page by page. Start: `uvicorn app.systems.tasks:app`.

APP_DATABASE_LIFE sets where a request gets its connection: from a pool, or by connecting itself.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable
from typing import Annotated

from fastapi import Depends, FastAPI
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from pydantic import BaseModel, Field, StrictBool

from app.systems.databases import (
    DatabaseSettings,
    Limit,
    Text,
    build_validation_error,
    create_database_app,
    read_database_settings,
)
from app.systems.environment import exit_on_settings_error
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
    """The value of `after` for the next page; null on the last page."""


def encode_cursor(task_id: int) -> str:
    return urlsafe_b64encode(str(task_id).encode()).decode().rstrip("=")


def decode_cursor(after: str | None = None) -> int:
    """Return the id in a cursor, or 0 (before all tasks) without one. A bad cursor is a 422."""
    if after is None:
        return 0
    try:
        text = urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode("ascii")
        task_id = int(text) if text.isdecimal() else -1
    except ValueError:
        task_id = -1
    if not 0 <= task_id <= MOST_ID or encode_cursor(task_id) != after:
        raise build_validation_error("give the `next` value of an earlier page", "query", "after")
    return task_id


def make_opener(
    settings: DatabaseSettings, pools: PostgresPools
) -> Callable[[], AsyncIterator[Connection]]:
    """Return the dependency that opens a request's connection."""

    async def open_connection() -> AsyncIterator[Connection]:
        if settings.life == "pool":
            async with pools.awaiting.connection() as pooled:
                yield pooled
        else:
            async with await AsyncConnection.connect(
                settings.postgres_url, autocommit=True, row_factory=dict_row
            ) as own:
                yield own

    return open_connection


def create_app(settings: DatabaseSettings) -> FastAPI:
    pools = PostgresPools(settings)
    app = create_database_app("tasks", settings, pools.open_pools)
    app.router.route_class = StrictRoute
    open_connection = make_opener(settings, pools)
    opened = Annotated[Connection, Depends(open_connection, scope="function")]

    @app.get("/tasks")
    async def list_tasks(
        # First on purpose: a request holds it while decode_cursor, a `def`, waits for a thread.
        connection: opened,
        after: Annotated[int, Depends(decode_cursor)],
        limit: Limit = 25,
    ) -> TaskPage:
        rows = await (await connection.execute(PAGE, (after, limit + 1))).fetchall()
        items = [Task.model_validate(row) for row in rows[:limit]]
        following = encode_cursor(items[-1].task_id) if rows[limit:] else None
        return TaskPage(items=items, next=following)

    @app.post("/tasks", status_code=201, response_model=Task)
    async def create_task(connection: opened, task: NewTask) -> DictRow | None:
        return await (await connection.execute(CREATE, (task.title, task.done))).fetchone()

    return app


with exit_on_settings_error("app.tasks"):
    app = create_app(read_database_settings())
