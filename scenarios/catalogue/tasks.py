"""A list of tasks in PostgreSQL: one connection per request, and a pool.

The published test has up to 200 users; a connection each is "too many clients already".
"""

from functools import partial

from scenarios.model import Database, Endpoint, Load, Scenario, Server

RANK = 100
QUESTIONS = {"tasks": "PostgreSQL: a pool, or a connection per request?"}

CREATE = Endpoint("/tasks", "async def", "POST", '{"title": "write it down"}')
tasks = partial(Scenario, group="tasks", load=Load(users=200, spawn_rate=20.0))
python = partial(
    tasks,
    server=Server("uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.tasks"),
)
each_its_own = partial(
    python,
    contender="per-request",
    database=Database("postgresql", life="per-request"),
    why="PostgreSQL allows 100 connections, and 200 users open one each; each one starts a process "
    "there. PostgreSQL refuses the connections beyond 100, and the app responds with 503.",
)
pool = partial(python, contender="pool", database=Database("postgresql", pool=5))
peer = partial(
    tasks,
    expect="more rps than tasks-pool, until PostgreSQL or the load generator limits",
    why="The database does the same work for each server; the difference is the language's cost.",
    database=Database("postgresql", pool=5),
    subject="GET /tasks",
)

SCENARIOS = (
    each_its_own(
        "tasks-per-request",
        question="one connection per request: when does it fail?",
        expect="some hundred rps, and failures: too many clients already",
        endpoint=Endpoint("/tasks", "async def"),
        subject="GET /tasks",
    ),
    pool(
        "tasks-pool",
        question="a pool of five connections: are so few enough?",
        expect="several times the rps of tasks-per-request, and no failure",
        why="Five connections, each busy for a millisecond per query, serve thousands of rps; a "
        "request that finds none free waits about a millisecond.",
        endpoint=Endpoint("/tasks", "async def"),
        subject="GET /tasks",
    ),
    each_its_own(
        "tasks-add-per-request",
        question="one connection per request that writes: when does it fail?",
        expect="as tasks-per-request: too many clients already",
        endpoint=CREATE,
        subject="POST /tasks",
    ),
    pool(
        "tasks-add-pool",
        question="writes through a pool of five: are so few enough?",
        expect="no failure; fewer rps than tasks-pool if the disk is slow",
        why="A commit waits for the disk, and its connection is not free before.",
        endpoint=CREATE,
        subject="POST /tasks",
    ),
    peer(
        "tasks-axum",
        question="the list from Axum on one thread, same pool size: how many rps?",
        endpoint=Endpoint("/tasks", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    peer(
        "tasks-gin",
        question="the list from gin on one thread, same pool size: how many rps?",
        endpoint=Endpoint("/tasks", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
)
