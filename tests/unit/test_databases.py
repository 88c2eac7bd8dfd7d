"""The databases of a cell: the prefix of their commands, and secrets that are never written."""

import os
import shutil
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from stress import databases
from stress.database_url import URL_VARIABLE, find_given_url, set_database_url
from study.progress import QuietDisplay
from study.run import RunOptions, check_machine
from study.run_flags import record_command


@pytest.mark.parametrize(
    "argv",
    [
        ["run", "users", "--database-url", "postgresql://u:sesame@h/x", "--quick"],
        ["run", "users", "--database-url=postgresql://u:sesame@h/x", "--quick"],
        ["run", "users", "--database_url", "postgresql://u:sesame@h/x", "--quick"],
        ["run", "users", "--database_url=postgresql://u:sesame@h/x", "--quick"],
    ],
)
def test_the_recorded_command_holds_no_address_of_a_database(argv: list[str]) -> None:
    shown = record_command(argv)
    assert "sesame" not in shown
    assert shown.replace("_", "-").startswith("study run users --database-url")
    assert shown.endswith("... --quick")


@pytest.mark.parametrize(
    "url",
    ["", "mysql://h/x", "h:5432", "/tmp/socket", "postgresql://u:pass%word@h/x",
     "postgresql://u:pa/ss@h/x", "postgresql://u:pa[ss@h/x", "postgresql://h/x?dbname=prod",
     "postgresql://h/x?sslmode=require", "postgresql://u:p@ss@h/x", "postgresql:///x", "postgresql://h:0/x"],
)  # fmt: skip
def test_another_kind_of_address_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="--database-url: give postgresql://") as caught:
        set_database_url(url)
    assert "pa" not in str(caught.value).replace("password", "")


def test_an_address_is_left_where_a_stack_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "")
    set_database_url("postgres://u@h/x")
    assert os.environ[URL_VARIABLE] == "postgresql://u@h/x"


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@h/x?dbname=prod", "postgresql://u:p@ss@h/x", "postgres:///x"]
)
def test_no_command_uses_an_address_that_a_driver_may_read_differently(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As sweeps and predictions do, which have no option for it."""
    monkeypatch.setenv(URL_VARIABLE, url)
    for use in (databases.check_given_database, partial(set_database_url, None), find_given_url):
        with pytest.raises(UserError, match="--database-url: give postgresql://"):
            use()


@pytest.mark.parametrize(("name", "count"), [("contrast-root-def", 0), ("users-async", 1)])
def test_a_server_is_asked_only_if_a_scenario_uses_it(
    name: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("study.run.check_given_database", lambda: asked.append(True))
    order = RunOptions(name="", trials=1, port=0, out=Path(), command="")
    check_machine(select_scenarios((name,)), order, None, QuietDisplay())
    assert len(asked) == count


def test_libpqs_own_variables_speak_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "require")
    monkeypatch.setenv("PATHLIKE", "stays")
    databases.clear_libpq_variables()
    assert "PGSSLMODE" not in os.environ
    assert os.environ["PATHLIKE"] == "stays"


def test_root_needs_a_program_that_makes_it_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    databases.check_nobody_available()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UserError, match="PostgreSQL does not run as root") as caught:
        databases.check_nobody_available()
    assert caught.value.exit_code == 3


def test_a_sqlite_file_has_its_items_and_goes_whole(tmp_path: Path) -> None:
    filled = databases.create_sqlite_database(tmp_path)
    with closing(sqlite3.connect(filled.env["APP_SQLITE"])) as connection:
        assert connection.execute("SELECT count(*) FROM items").fetchone() == (databases.ITEMS,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        filled.clean()
    assert list(tmp_path.iterdir()) == []
