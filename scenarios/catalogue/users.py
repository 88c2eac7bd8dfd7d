"""A hundred rows from PostgreSQL: one query, through several drivers, an ORM and three languages.

The published setup (lukehsiao/axum-fastapi): 2000 rows, ORDER BY user_id LIMIT 100, a pool of 5,
ten concurrent users, and a new HTTP connection per request.
"""

from functools import partial

from scenarios.model import Database, Endpoint, Load, Scenario, Server

RANK = 70
QUESTIONS = {
    "users": "one PostgreSQL query: what do ORM and driver cost?",
    "overload": "more rps than it can serve: what is its latency?",
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
        question="def + SQLAlchemy's ORM, as in the tutorial: what is the baseline?",
        expect="the fewest rps of the scenarios that do not block the loop",
        why="The ORM builds a Python object per row, a hundred per request, and one interpreter "
        "runs one thread at a time. The threads themselves cost little.",
        endpoint=Endpoint("/sync/users", "def"),
    ),
    python(
        "users-sync-psycopg",
        question="def + psycopg alone: how much of the baseline's cost is the ORM's?",
        expect="clearly more rps than users-sync",
        why="psycopg builds the rows as dicts in C; the call still moves to a thread.",
        endpoint=Endpoint("/sync/users/psycopg", "def"),
    ),
    python(
        "users-async",
        question="async def + asyncpg, the published fix: what does it gain?",
        expect="more rps than users-sync, a fraction of any compiled server's",
        why="The faster driver and the missing ORM make the difference, and `async` hardly does: "
        "compare users-async-psycopg with users-sync-psycopg.",
        endpoint=Endpoint("/async/users", "async def"),
    ),
    python(
        "users-async-sqlalchemy",
        question="async def + SQLAlchemy's async engine: is the ORM faster when awaited?",
        expect="hardly more rps than users-sync",
        why="The same interpreter builds the same objects. Each await of the engine switches "
        "greenlets, which costs about as much as the saved threads.",
        endpoint=Endpoint("/async/users/sqlalchemy", "async def"),
    ),
    python(
        "users-async-psycopg",
        question="async def + psycopg, as users-sync-psycopg but awaited: what does async gain?",
        expect="more rps than users-sync-psycopg: no call moves to a thread",
        why="Only the style differs between the two, so the difference is what `async` gains.",
        endpoint=Endpoint("/async/users/psycopg", "async def"),
    ),
    python(
        "users-async-sync",
        question="async def + blocking SQLAlchemy: does a query of 1 ms hurt?",
        expect="somewhat more rps than users-sync, and a loop that is blocked most of the time",
        why="The query takes a millisecond, the interpreter is the limit anyway, and no call moves "
        "to a thread. But while one request is served, all others wait, /ping too.",
        endpoint=Endpoint("/async/users/sync", "async def that blocks"),
    ),
    query(
        "users-axum",
        question="Axum + sqlx on one thread: what does a compiled server gain?",
        expect="a multiple of users-async, until PostgreSQL or the load generator limits",
        why="Compiled code takes microseconds where Python takes a millisecond.",
        endpoint=Endpoint("/users", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    query(
        "users-gin",
        question="gin + pgx on one thread: what does Go gain?",
        expect="a multiple of users-async, near users-axum",
        why="Go's scheduler parks a goroutine at each wait, as `await` does, but implicitly.",
        endpoint=Endpoint("/users", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
    Scenario(
        "users-overload",
        group="overload",
        question="800 rps offered to users-sync, which serves fewer: what is its latency?",
        expect="OVERLOADED: the latency grows as long as the test lasts, so it means nothing",
        why="With λ rps offered and C served, the request answered after t seconds waited "
        "t (1 - C / λ). The published median of 75 s is half the length of its test.",
        endpoint=Endpoint("/sync/users", "def"),
        server=PYTHON,
        load=Load(duration_s=15.0, arrival_rate=800.0, keep_alive=False),
        database=POSTGRESQL,
    ),
)
