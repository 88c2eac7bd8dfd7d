import pytest

from scenarios.catalogue import CATALOGUE, DEFAULT_GROUPS, GROUPS, select_scenarios
from scenarios.catalogue.contrast import SCENARIOS as CONTRAST
from scenarios.errors import UserError
from scenarios.model import FORMS_OF, Scenario
from scenarios.overrides import apply_overrides
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.settings import Overrides
from scenarios.units import parse_duration

ALL = MachineResources(uvloop=True, httptools=True, go=True)
NONE = MachineResources(uvloop=False, httptools=False, go=False)


def one(
    name: str, overrides: Overrides | None = None, available: MachineResources = ALL
) -> Scenario:
    return resolve_scenario(
        apply_overrides(select_scenarios((name,)), overrides or Overrides())[0], available
    )


def test_the_names_that_other_tools_rely_on() -> None:
    by_group = {group: [each.name for each in select_scenarios((group,))] for group in GROUPS}
    assert by_group == {
        "classic": ["sync-http", "async-http", "async-http-sync"],
        "fair": [
            "sync-http-shared", "async-http-shared", "async-http-sync-shared", "async-http-offload",
            "axum-http-shared", "gin-http-shared",
        ],
        "control": ["sync-sleep", "async-sleep", "async-sleep-sync"],
        "full-pool": ["health-async", "health-sync", "depends-async", "depends-sync"],
        "rare": ["rare-awaits", "rare-blocks", "rare-sync"],
        "executor": ["executor-ping", "executor-file", "executor-dns"],
        "background": ["background-async", "background-sync", "background-blocks"],
        "clients": [
            f"call-{client}{life}"
            for client in (
                "async-httpx2", "async-httpx", "async-aiohttp", "async-pyreqwest", "async-niquests",
                "def-httpx2", "def-httpx", "def-pyreqwest", "def-urllib3", "def-requests",
                "def-niquests",
            )
            for life in ("", "-each")
        ],
        "connections": ["wait-impatient", "wait-patient", "wait-enough"],
        "nothing": ["nothing-async", "nothing-sync"],
        "stream": ["stream-async", "stream-sync"],
        "layers": ["layers-none", "layers-pure", "layers-base"],
        "disk": ["sync-json", "async-json", "async-json-sync"],
        "users": [
            "users-sync", "users-sync-psycopg", "users-async", "users-async-sqlalchemy",
            "users-async-psycopg", "users-async-sync", "users-axum", "users-gin",
        ],
        "disk-large": ["async-file-sync", "async-file", "sync-file", "async-file-offload"],
        "overload": ["users-overload"],
        "contrast": [each.name for each in CONTRAST],
        "cpu": ["cpu-async", "cpu-sync", "cpu-process"],
        "ping": [
            "ping-uvicorn", "ping-log-file", "ping-log-terminal", "ping-asyncio-h11",
            "ping-asyncio", "ping-h11", "ping-gunicorn", "ping-axum", "ping-gin",
        ],
        "tasks": [
            "tasks-per-request", "tasks-pool", "tasks-add-per-request", "tasks-add-pool",
            "tasks-axum", "tasks-gin",
        ],
    }  # fmt: skip
    assert DEFAULT_GROUPS == ("classic", "fair")


def test_fair_scenarios_ask_with_one_engine_that_has_both_forms() -> None:
    """Otherwise they would compare libraries instead of styles."""
    clients = {each.client for each in select_scenarios(("fair",)) if each.client is not None}
    assert len(clients) == 1
    assert len(FORMS_OF[clients.pop().library]) == 2


def test_every_scenario_says_what_it_asks_and_expects() -> None:
    assert len({each.name for each in CATALOGUE}) == len(CATALOGUE)
    for each in CATALOGUE:
        assert each.question
        assert each.expect
        assert each.why
        assert len(each.name) <= 25  # the table's first column


def test_classic_is_as_the_original_had_it() -> None:
    scenario = one("async-http")
    server, client = scenario.server, scenario.client
    assert (server.kind, server.workers, server.loop, server.http) == (
        "gunicorn", 1, "asyncio", "h11",
    )  # fmt: skip
    assert (server.pool, server.worker_timeout_s) == (40, 30.0)
    assert client is not None
    assert (client.library, client.life, client.timeout_s) == ("httpx", "per-request", 5.0)
    assert (scenario.load.users, scenario.load.spawn_rate, scenario.delay_s) == (500, 50, 1.0)


def test_in_fair_only_the_endpoint_differs() -> None:
    fair = [each for each in select_scenarios(("fair",)) if each.server.is_python]
    assert len({(each.server, each.client, each.load, each.delay_s) for each in fair}) == 1
    assert len({each.endpoint for each in fair}) == len(fair)


def test_in_users_only_endpoint_and_server_differ() -> None:
    users = select_scenarios(("users",))
    assert len({(each.load, each.database, each.subject) for each in users}) == 1
    assert users[0].database is not None
    assert (users[0].database.pool, users[0].load.users, users[0].load.keep_alive) == (5, 10, False)
    python = [each for each in users if each.server.is_python]
    assert len({each.server for each in python}) == 1


def test_an_override_of_python_leaves_the_compiled_ones_alone() -> None:
    overrides = Overrides(server="gunicorn", workers=2, pool=9, database_pool=3)
    of_python, of_rust = apply_overrides(select_scenarios(("users-sync", "users-axum")), overrides)
    assert (of_python.server.kind, of_python.server.workers, of_python.server.pool) == (
        "gunicorn", 2, 9,
    )  # fmt: skip
    assert (of_rust.server.kind, of_rust.server.workers) == ("axum", 2)
    assert of_rust.database is not None
    assert of_rust.database.pool == 3


@pytest.mark.parametrize(
    ("names", "overrides", "said"),
    [
        (("ping",), Overrides(loop="asyncio"), "--loop: the scenarios of 'GET /ping' are named"),
        (("ping",), Overrides(http="h11"), "--http: the scenarios of 'GET /ping' are named"),
        (("ping",), Overrides(access_log="off"), "--access-log: the scenarios of 'GET /ping'"),
        (("ping",), Overrides(server="gunicorn"), "--server: the scenarios of 'GET /ping'"),
        (("users-overload",), Overrides(engine="oha"), "only Locust supports an open loop"),
        (("disk-large",), Overrides(engine="oha"), "only Locust supports a pause"),
        (
            ("users-overload",),
            Overrides(users=5),
            "--users: none of the chosen scenarios has users",
        ),
        (("users-overload",), Overrides(think_s=1.0), "--think-time: none of the chosen"),
    ],
)
def test_what_would_not_be_so_is_refused(
    names: tuple[str, ...], overrides: Overrides, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        apply_overrides(select_scenarios(names), overrides)


def test_one_contender_alone_may_be_changed() -> None:
    (scenario,) = apply_overrides(select_scenarios(("ping-uvicorn",)), Overrides(loop="asyncio"))
    assert scenario.server.loop == "asyncio"


def test_auto_and_as_many_as_users_are_settled_before_the_run() -> None:
    scenario = one("sync-http-shared", Overrides(users=77))
    assert scenario.server.pool == 77
    assert scenario.client is not None
    assert scenario.client.connections == 77
    assert (scenario.server.loop, scenario.server.http) == ("uvloop", "httptools")
    assert scenario.upstream is not None
    assert scenario.upstream.kind == "go"
    poor = one("sync-http-shared", available=NONE)
    assert (poor.server.loop, poor.server.http) == ("asyncio", "h11")
    assert poor.upstream is not None
    assert poor.upstream.kind == "python"


def test_every_override_arrives() -> None:
    scenario = one(
        "async-http",
        Overrides(
            users=3, spawn_rate=2.0, duration_s=4.0, think_s=0.5, delay_s=0.2,
            user_class="requests", load_processes=2, server="uvicorn", workers=3, pool=7,
            loop="uvloop", http="httptools", client="aiohttp", client_life="shared",
            client_timeout_s=9.0, upstream="python",
        ),
    )  # fmt: skip
    load, server, client = scenario.load, scenario.server, scenario.client
    assert (load.users, load.spawn_rate, load.duration_s, load.think_s) == (3, 2.0, 4.0, 0.5)
    assert (load.user_class, load.processes, scenario.delay_s) == ("requests", 2, 0.2)
    assert (server.kind, server.workers, server.pool) == ("uvicorn", 3, 7)
    assert (server.loop, server.http, server.worker_timeout_s) == ("uvloop", "httptools", 0.0)
    assert client is not None
    assert (client.library, client.life, client.timeout_s) == ("aiohttp", "shared", 9.0)
    assert scenario.upstream is not None
    assert scenario.upstream.kind == "python"
    assert scenario.name == "async-http-aiohttp"  # a variant carries its library's name


@pytest.mark.parametrize(
    ("names", "overrides", "message"),
    [
        ((), Overrides(users=0), "--users 0: give 1 to 100000"),
        ((), Overrides(users=10**9), "--users"),
        ((), Overrides(spawn_rate=0.0), "--spawn-rate 0: give 0.1"),
        ((), Overrides(think_s=0.2, think_spread_s=0.3), "--think-spread 300ms: a pause of 200ms"),
        ((), Overrides(duration_s=0.0), "--duration 0: give 0.5 to 3600 s"),
        ((), Overrides(delay_s=61.0), "--delay 61: give 0 to 60 s"),
        ((), Overrides(pool=0), "--pool 0"),
        ((), Overrides(workers=65), "--workers 65: give 1 to 64"),
        ((), Overrides(load_processes=0), "--load-processes 0"),
        ((), Overrides(worker_timeout_s=-1.0), "--worker-timeout -1"),
        ((), Overrides(worker_timeout_s=0.4), "--worker-timeout 0.4: gunicorn takes whole seconds"),
        ((), Overrides(client_timeout_s=0.0), "--client-timeout 0"),
        ((), Overrides(delay_s=0.0025), "--delay 2.5ms: give whole milliseconds"),
        ((), Overrides(client_timeout_s=0.0014), "--client-timeout 1.4ms: give whole"),
        (("ping-uvicorn",), Overrides(worker_timeout_s=5.0), "--worker-timeout is for gunicorn"),
        ((), Overrides(client="aiohttp"), "needs a client library with a blocking form"),
        (("disk",), Overrides(client="httpx2"), "--client: none of the chosen scenarios has"),
        (("control",), Overrides(upstream="go"), "--upstream: none of the chosen scenarios has"),
        (("disk",), Overrides(delay_s=1.0), "--delay: none of the chosen scenarios has a delay"),
        ((), Overrides(server="uvicorn", worker_timeout_s=5.0), "--worker-timeout is for gunicorn"),
    ],
)
def test_nonsense_is_named(names: tuple[str, ...], overrides: Overrides, message: str) -> None:
    with pytest.raises(UserError) as refused:
        apply_overrides(select_scenarios(names), overrides)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert refused.value.exit_code == 2


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(UserError, match="'nope'; `study list` shows the groups"):
        select_scenarios(("nope",))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30.0), ("1000ms", 1.0), ("1.5m", 90.0), (" 2s ", 2.0), ("104ms", 0.104)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration("--delay", text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "-1s", "1h", "1 s", "1e3s", "nan s"])
def test_durations_need_a_unit(text: str) -> None:
    with pytest.raises(UserError, match="--delay"):
        parse_duration("--delay", text)


def test_another_engine_sends_no_rare_requests_and_is_refused() -> None:
    with pytest.raises(UserError, match="rare-blocks has two"):
        apply_overrides(select_scenarios(("rare-blocks",)), Overrides(engine="oha"))


@pytest.mark.parametrize("given", [Overrides(client="httpx"), Overrides(client_life="shared")])
def test_clients_that_are_compared_are_not_made_the_same(given: Overrides) -> None:
    with pytest.raises(UserError, match="are named after this setting"):
        apply_overrides(select_scenarios(("clients",)), given)
    assert apply_overrides(select_scenarios(("call-async-httpx2",)), given)
