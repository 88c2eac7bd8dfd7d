"""A list of tasks in PostgreSQL: a connection for each request, and a pool.

As published: up to 200 users; a connection a request ends with "too many clients already".
"""

from scenarios.model import Database, Endpoint, Load, Scenario, Server, ServerKind, Style

PYTHON = Server("uvicorn", loop="auto", http="auto", worker_timeout_s=0.0, app="app.tasks")
EACH_ITS_OWN = Database("postgresql", life="per-request")
POOL = Database("postgresql", pool=5)
TWO_HUNDRED_USERS = Load(users=200, spawn_rate=20.0)
LIST = Endpoint("/tasks", "async def")
CREATE = Endpoint("/tasks", "async def", "POST", '{"title": "write it down"}')
TOO_MANY = (
    "PostgreSQL has 100 places. 200 users want one each, and connecting costs a process on its "
    "side: whoever comes too late is refused. The app answers 503 and lives."
)


def make_python_scenario(
    name: str, endpoint: Endpoint, database: Database, question: str, expect: str, why: str
) -> Scenario:
    return Scenario(
        name=f"tasks-{name}",
        group="tasks",
        question=question,
        expect=expect,
        why=why,
        endpoint=endpoint,
        server=PYTHON,
        load=TWO_HUNDRED_USERS,
        database=database,
        subject=f"{endpoint.method} /tasks",
        contender="per-request" if database is EACH_ITS_OWN else "pool",
    )


def make_peer_scenario(kind: ServerKind, style: Style) -> Scenario:
    return Scenario(
        name=f"tasks-{kind}",
        group="tasks",
        question=f"the list from {kind}, through a pool of the same size, on one thread",
        expect="more rps than tasks-pool, until PostgreSQL or the load is the limit",
        why="The database does the same work for each; the rest is what the language costs.",
        endpoint=Endpoint("/tasks", style),
        server=Server(kind, worker_timeout_s=0.0),
        load=TWO_HUNDRED_USERS,
        database=POOL,
        subject="GET /tasks",
        contender=kind,
    )


TASKS: tuple[Scenario, ...] = (
    make_python_scenario(
        "per-request",
        LIST,
        EACH_ITS_OWN,
        question="a connection for each request: how long does it last?",
        expect="some hundred rps, and failures: too many clients already",
        why=TOO_MANY,
    ),
    make_python_scenario(
        "pool",
        LIST,
        POOL,
        question="a pool of five connections: does it keep up, with so few?",
        expect="several times the rps of tasks-per-request, and no failure",
        why="Five connections, each free again after a millisecond, serve thousands of requests "
        "a second; who finds none free waits that millisecond.",
    ),
    make_python_scenario(
        "add-per-request",
        CREATE,
        EACH_ITS_OWN,
        question="and where each request writes?",
        expect="as the list: too many clients already",
        why=TOO_MANY,
    ),
    make_python_scenario(
        "add-pool",
        CREATE,
        POOL,
        question="writes through a pool of five",
        expect="no failure; fewer rps than the list where the disk is slow to confirm",
        why="A commit waits until the disk has it, and a connection can't be given back before.",
    ),
    make_peer_scenario("axum", "async fn"),
    make_peer_scenario("gin", "goroutine"),
)
