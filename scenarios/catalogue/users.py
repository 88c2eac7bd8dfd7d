"""A hundred users from PostgreSQL: one query, asked by every library and language that we have.

As published (lukehsiao/axum-fastapi): 2000 users, ORDER BY user_id LIMIT 100, a pool of 5, ten
users at once, and a new connection for each request.
"""

from functools import partial

from scenarios.model import Database, Endpoint, Load, Scenario, Server

RANK = 70
QUESTIONS = {
    "users": "one PostgreSQL query: what do ORM and driver cost?",
    "overload": "more requests than it can serve: what is its latency?",
}

PYTHON = Server("uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.users")
POSTGRESQL = Database("postgresql", pool=5)
query = partial(
    Scenario,
    group="users",
    load=Load(users=10, spawn_rate=10.0, keep_alive=False),
    database=POSTGRESQL,
    subject="100 users from PostgreSQL",
)
python = partial(query, server=PYTHON)

SCENARIOS = (
    python(
        "users-sync",
        question="def + SQLAlchemy's ORM: the tutorial's way, and the baseline of this group",
        expect="the fewest rps of those that do not block the loop",
        why="Not the threads: the ORM makes an object of each row, in Python, a hundred times "
        "for each request, and one interpreter runs one thread at a time.",
        endpoint=Endpoint("/sync/users", "def"),
    ),
    python(
        "users-sync-psycopg",
        question="def + psycopg alone: what of the baseline's cost is the ORM's?",
        expect="clearly more rps than users-sync",
        why="Rows come as dicts, made in C; the hand-over to a thread stays.",
        endpoint=Endpoint("/sync/users/psycopg", "def"),
    ),
    python(
        "users-async",
        question="async def + asyncpg: the published repair",
        expect="more rps than users-sync, a multiple less than any compiled server",
        why="A driver written for speed and no ORM make the difference; `async` hardly does: "
        "compare users-async-psycopg with users-sync-psycopg.",
        endpoint=Endpoint("/async/users", "async def"),
    ),
    python(
        "users-async-sqlalchemy",
        question="async def + SQLAlchemy's async engine: is the ORM faster when awaited?",
        expect="hardly more rps than users-sync",
        why="The same objects are made by the same interpreter. Each await of the engine switches "
        "greenlets, which costs about what it saves in threads.",
        endpoint=Endpoint("/async/users/sqlalchemy", "async def"),
    ),
    python(
        "users-async-psycopg",
        question="async def + psycopg: the same driver as users-sync-psycopg, awaited",
        expect="more rps than users-sync-psycopg, by the hand-over that it saves",
        why="Only the style differs, so this pair is what `async` itself is worth here.",
        endpoint=Endpoint("/async/users/psycopg", "async def"),
    ),
    python(
        "users-async-sync",
        question="async def + blocking SQLAlchemy: what does a fast query forgive?",
        expect="rather more rps than users-sync, and a loop that stands still most of the time",
        why="The query takes a millisecond, the interpreter was the limit anyhow, and no thread "
        "is handed to. But while one request is served, nobody else is, and nobody pings.",
        endpoint=Endpoint("/async/users/sync", "async def that blocks"),
    ),
    query(
        "users-axum",
        question="Axum + sqlx on one thread: what does the same cost without an interpreter?",
        expect="a multiple of users-async, until PostgreSQL or the load is the limit",
        why="Compiled code spends microseconds where Python spends a millisecond.",
        endpoint=Endpoint("/users", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    query(
        "users-gin",
        question="gin + pgx on one thread: and in Go?",
        expect="a multiple of users-async, near users-axum",
        why="Go's scheduler parks a goroutine at each wait, as `await` does, unseen.",
        endpoint=Endpoint("/users", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
    Scenario(
        "users-overload",
        group="overload",
        question="800 requests a second to users-sync, which serves fewer: what is its latency?",
        expect="OVERLOADED: a latency that grows as long as the test lasts, and means nothing",
        why="Of C served and λ offered the request that is answered after t seconds waited "
        "t (1 - C / λ). The published median of 75 s is half the length of its test.",
        endpoint=Endpoint("/sync/users", "def"),
        server=PYTHON,
        load=Load(duration_s=15.0, arrival_rate=800.0, keep_alive=False),
        database=POSTGRESQL,
    ),
)
