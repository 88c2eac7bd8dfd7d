"""A list of tasks in PostgreSQL: a connection for each request, and a pool.

As published: up to 200 users; a connection a request ends with "too many clients already".
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
    why="PostgreSQL has 100 places. 200 users want one each, and connecting costs a process on its "
    "side: whoever comes too late is refused. The app answers 503 and lives.",
)
pool = partial(python, contender="pool", database=Database("postgresql", pool=5))
peer = partial(
    tasks,
    expect="more rps than tasks-pool, until PostgreSQL or the load is the limit",
    why="The database does the same work for each; the rest is what the language costs.",
    database=Database("postgresql", pool=5),
    subject="GET /tasks",
)

SCENARIOS = (
    each_its_own(
        "tasks-per-request",
        question="a connection for each request: how long does it last?",
        expect="some hundred rps, and failures: too many clients already",
        endpoint=Endpoint("/tasks", "async def"),
        subject="GET /tasks",
    ),
    pool(
        "tasks-pool",
        question="a pool of five connections: does it keep up, with so few?",
        expect="several times the rps of tasks-per-request, and no failure",
        why="Five connections, each free again after a millisecond, serve thousands of requests "
        "a second; who finds none free waits that millisecond.",
        endpoint=Endpoint("/tasks", "async def"),
        subject="GET /tasks",
    ),
    each_its_own(
        "tasks-add-per-request",
        question="and where each request writes?",
        expect="as the list: too many clients already",
        endpoint=CREATE,
        subject="POST /tasks",
    ),
    pool(
        "tasks-add-pool",
        question="writes through a pool of five",
        expect="no failure; fewer rps than the list where the disk is slow to confirm",
        why="A commit waits until the disk has it, and a connection can't be given back before.",
        endpoint=CREATE,
        subject="POST /tasks",
    ),
    peer(
        "tasks-axum",
        question="the list from axum, through a pool of the same size, on one thread",
        endpoint=Endpoint("/tasks", "async fn"),
        server=Server("axum", worker_timeout_s=0.0),
    ),
    peer(
        "tasks-gin",
        question="the list from gin, through a pool of the same size, on one thread",
        endpoint=Endpoint("/tasks", "goroutine"),
        server=Server("gin", worker_timeout_s=0.0),
    ),
)
