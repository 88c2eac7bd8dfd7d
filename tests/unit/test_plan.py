import json
import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from records.rundir import CellDir
from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Scenario, Server, ServerKind
from scenarios.overrides import apply_overrides
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.settings import Overrides
from scenarios.warm_up import WARM_UP_LIMIT_S
from stress.databases import clear_libpq_variables
from stress.load.command import build_load_command, build_load_worker_command
from stress.load.protocol import PLAN_OPTION, LoadPlan
from stress.plan import (
    HOST,
    Command,
    build_app_environment,
    count_needed_descriptors,
    count_wanted_descriptors,
    expects_worker_kills,
    plan_windows,
)
from stress.processes import choose_inherited, clean_environment
from stress.runtime import CellRun, Distribution
from stress.servers import find_adapter, load_adapters
from stress.start_stack import build_server_command

ROOT = Path("/root-of-project")
ALL = MachineResources(uvloop=True, httptools=True, go=True)


def one(name: str, overrides: Overrides | None = None) -> Scenario:
    return resolve_scenario(
        apply_overrides(select_scenarios((name,)), overrides or Overrides())[0], ALL
    )


def cell(scenario: Scenario) -> CellRun:
    return CellRun(scenario, 1, CellDir(Path("/cell")), 5)


def test_the_windows_of_the_design() -> None:
    plan = plan_windows(one("sync-http"))
    assert (plan.ramp_s, plan.warm_up_limit_s, plan.window_s, plan.drain_s) == (10, 30, 30, 5)
    assert plan.cycles is None


def test_a_cell_that_is_killed_in_cycles_takes_three() -> None:
    plan = plan_windows(one("async-http-sync"))
    assert plan.cycles == 3
    assert plan.window_s > 3 * 31


@pytest.mark.parametrize(
    ("name", "overrides", "expected"),
    [
        ("async-http-sync", Overrides(), True),
        ("async-http-sync", Overrides(users=25), False),  # blocked for at most 25 s
        ("async-http-sync", Overrides(users=50, workers=2), False),
        ("async-http-sync", Overrides(worker_timeout_s=0.0), False),
        ("async-http-sync", Overrides(server="uvicorn"), False),
        ("async-http-sync", Overrides(client_timeout_s=0.05), False),  # 25 s, at 50 ms each
        ("async-http-sync-shared", Overrides(), False),
        ("async-http", Overrides(), False),
        ("sync-http", Overrides(), False),
        ("async-json-sync", Overrides(), False),
    ],
)
def test_when_kills_are_expected(name: str, overrides: Overrides, expected: bool) -> None:
    assert expects_worker_kills(one(name, overrides)) is expected


def test_gunicorn_is_told_everything() -> None:
    scenario = one("sync-http", Overrides(workers=2, worker_timeout_s=7.0, loop="uvloop"))
    command = build_server_command(scenario, HOST, 4242, Path("/j"), {"APP_POOL": "40"})
    for word in ("gunicorn", "--workers=2", "--timeout=7", "--bind=127.0.0.1:4242"):
        assert word in command.argv
    assert command.env["SERVER_LOOP"] == "uvloop"
    assert command.env["SERVER_HTTP"] == "h11"
    assert command.env["PROBE_DIR"] == "/j"
    assert str(ROOT) not in command.env["PYTHONPATH"].split(":")  # only the entry's folder is
    assert command.env["APP_POOL"] == "40"


def test_uvicorn_is_told_everything() -> None:
    command = build_server_command(one("sync-http", Overrides(server="uvicorn")), HOST, 1, ROOT, {})
    for word in ("uvicorn", "--loop=asyncio", "--http=h11", "--workers=1", "--port=1"):
        assert word in command.argv


def test_each_server_that_a_scenario_may_name_has_an_adapter() -> None:
    assert set(load_adapters()) == set(get_args(ServerKind))
    with pytest.raises(UserError, match="--server nosuch: unknown server; choose one of axum, "):
        find_adapter("nosuch")


def test_a_death_is_explained_by_the_server_that_caused_it() -> None:
    log = "[1] [CRITICAL] WORKER TIMEOUT (pid:77)"
    assert find_adapter("gunicorn").find_death_causes(log) == {
        77: "killed by gunicorn: its event loop was blocked too long"
    }
    assert find_adapter("uvicorn").find_death_causes(log) == {}
    assert Server("gunicorn").kills_blocked_workers
    assert not Server("uvicorn").kills_blocked_workers


def test_the_apps_settings_come_from_the_scenario() -> None:
    env = build_app_environment(one("sync-http-shared"), "http://127.0.0.1:9")
    assert env == {
        "APP_POOL": "500",
        "APP_DELAY_MS": "1000",
        "APP_UPSTREAM_URL": "http://127.0.0.1:9",
        "APP_CLIENT": "pyreqwest",
        "APP_CLIENT_LIFE": "shared",
        "APP_CLIENT_TIMEOUT_MS": "60000",
        "APP_CLIENT_CONNECTIONS": "500",
    }
    assert build_app_environment(one("sync-json"), None) == {"APP_POOL": "40"}


def test_a_database_is_named_by_what_was_started_and_its_pool_by_the_scenario() -> None:
    scenario = one("users-async", Overrides(database_pool=7))
    env = build_app_environment(scenario, None, {"APP_DATABASE_URL": "postgresql://u@h:1/n"})
    assert env["APP_DATABASE_URL"] == "postgresql://u@h:1/n"
    assert (env["APP_DATABASE_POOL"], env["APP_DATABASE_LIFE"]) == ("7", "pool")
    per_request = build_app_environment(one("tasks-per-request"), None, {})
    assert per_request["APP_DATABASE_LIFE"] == "per-request"


def test_each_app_is_served_by_its_name() -> None:
    command = build_server_command(one("users-async"), HOST, 1, ROOT, {})
    assert command.env["PROBE_TARGET"] == "app.systems.users:app"
    assert "--no-access-log" in command.argv


def test_an_access_log_is_asked_for_in_each_servers_own_words() -> None:
    logged = Overrides(access_log="file")
    assert (
        "--access-log" in build_server_command(one("ping-uvicorn", logged), HOST, 1, ROOT, {}).argv
    )
    behind = build_server_command(one("ping-gunicorn", logged), HOST, 1, ROOT, {})
    assert "--access-logfile=-" in behind.argv
    plain = build_server_command(one("ping-gunicorn"), HOST, 1, ROOT, {})
    assert not any(word.startswith("--access-logfile") for word in plain.argv)


def test_a_compiled_server_gets_a_port_and_as_many_threads_as_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("stress.programs.find_peer_program", lambda kind: f"/bin/{kind}")
    scenario = one("users-axum", Overrides(workers=2))
    command = build_server_command(scenario, HOST, 5, ROOT, {"APP_SQLITE": "/x"})
    assert command.argv == ("/bin/axum", "--host=127.0.0.1", "--port=5", "--workers=2")
    assert command.env == {"APP_SQLITE": "/x"}


def test_the_load_sends_what_the_endpoint_wants() -> None:
    plan = plan_given(build_load_command(cell(one("contrast-add-def")), 1, 6))
    assert (plan.endpoint.method, plan.endpoint.path) == ("POST", "/sync/db/items")
    assert json.loads(str(plan.endpoint.body))["price_cents"] == 250
    users = plan_given(build_load_command(cell(one("users-sync")), 1, 6))
    assert (users.load.keep_alive, users.endpoint.body) == (False, None)


def test_beyond_its_capacity_an_open_loop_wants_a_descriptor_for_all_that_was_sent() -> None:
    assert count_wanted_descriptors(one("sync-http")) == 0
    overload = one("users-overload")
    assert count_wanted_descriptors(overload) > 2 * 800 * 15
    assert count_needed_descriptors(overload) < 2000  # without them it still runs


def test_the_loads_own_timeout_outlasts_the_cell() -> None:
    scenario = one("async-http-sync-shared")
    command = build_load_command(cell(scenario), 1, 6)
    plan = plan_given(command)
    assert plan.timeout_s > plan_windows(scenario).longest_s + WARM_UP_LIMIT_S
    assert plan.endpoint.path == "/async/http/sync"
    assert "--users=500" in command.argv
    assert not any(word.startswith("--processes") for word in command.argv)


def plan_given(command: Command) -> LoadPlan:
    (shown,) = [word for word in command.argv if word.startswith(PLAN_OPTION)]
    return TypeAdapter(LoadPlan).validate_json(shown.partition("=")[2])


def test_an_open_loop_has_one_sender_in_each_process_and_no_ramp() -> None:
    scenario = one("async-http", Overrides(arrival_rate=300.0, arrivals="poisson"))
    scenario = replace(scenario, load=replace(scenario.load, processes=2))
    command = build_load_command(cell(scenario), 1, 6)
    assert "OpenLoopUser" in command.argv
    assert "--users=2" in command.argv
    plan = plan_given(command)
    assert (plan.load.arrival_rate, plan.load.arrivals) == (300.0, "poisson")
    assert plan_windows(scenario).ramp_s == 0
    assert plan_windows(scenario).warm_up_limit_s >= 3


def test_workers_elsewhere_are_waited_for_and_told_where_the_server_is() -> None:
    distribution = Distribution(expect_workers=3, listen="10.0.0.1")
    command = build_load_command(cell(one("sync-http")), 7, 6, distribution)
    for word in ("--master", "--expect-workers=1", "--master-bind-host=10.0.0.1"):
        assert word in command.argv
    plan = plan_given(command)
    assert (plan.host, plan.load.processes, plan.distributed) == ("http://10.0.0.1:7", 3, True)
    joined = build_load_worker_command(ROOT, "10.0.0.1", 5557).argv
    assert {"--worker", "--master-host=10.0.0.1", "--master-port=5557"} <= set(joined)


def test_several_load_processes_meet_on_a_port_of_their_own() -> None:
    scenario = one("sync-http", Overrides(load_processes=2))
    command = build_load_command(cell(scenario), 1, 6)
    assert {"--processes=2", "--master-bind-port=6", "--master-port=6"} <= set(command.argv)


def test_what_would_change_a_server_behind_our_back_is_not_inherited() -> None:
    inherited = {
        "PATH": "/bin", "APP_POOL": "1", "GUNICORN_CMD_ARGS": "--workers 9", "HTTP_PROXY": "x",
        "https_proxy": "y", "LOCUST_USERS": "3", "UVICORN_PORT": "1", "WEB_CONCURRENCY": "4",
        "PGOPTIONS": "-c x=y", "STUDY_DATABASE_URL": "z", "GIN_MODE": "debug",
        "GODEBUG": "gctrace=1", "GOGC": "off", "TOKIO_WORKER_THREADS": "9",
        "PYTHONASYNCIODEBUG": "1", "PYTHONMALLOC": "debug", "PYTHONTRACEMALLOC": "9",
        "PYTHONDEVMODE": "1", "PYTHONOPTIMIZE": "2", "PYTHON_JIT": "1",
        "ASGI_PROBE_STACKS": "0",
    }  # fmt: skip
    kept = {"PATH": "/bin", "PYTHONPATH": "/code", "PYTHONUTF8": "1", "PYTHON_GIL": "0"}
    assert clean_environment(inherited | kept) == kept


def test_a_user_s_server_has_all_variables_but_those_of_the_probe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also those of libpq that a database of the study's own sets aside."""
    set_aside: dict[str, str] = {}
    for module in ("processes", "databases"):
        monkeypatch.setattr(f"stress.{module}.set_aside", set_aside)
    monkeypatch.setattr(os, "environ", {"ASGI_PROBE_STACKS": "0", "PGHOST": "db", "APP_X": "1"})
    clear_libpq_variables()
    server = Command("server", ("x",), Path(), {}, inherits_all=True)
    assert choose_inherited(server) == {"PGHOST": "db", "APP_X": "1"}
    app = replace(server, role="app")  # an audit's, which sets its own
    assert choose_inherited(app) == {"ASGI_PROBE_STACKS": "0", "PGHOST": "db", "APP_X": "1"}
    assert choose_inherited(replace(server, inherits_all=False)) == {}


def test_each_user_needs_two_connections_in_a_worker() -> None:
    assert count_needed_descriptors(one("sync-http")) >= 1000
