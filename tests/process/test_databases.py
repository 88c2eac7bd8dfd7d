"""Scenarios with a database: it starts, is queried, and is gone afterwards."""

from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from records.rundir import CellDir
from scenarios.model import Database
from stress import databases
from stress.interruption import Interruption
from stress.stack import Stack
from stress.start_stack import start_database
from tests.process.support import cells, codes, only_run, study

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(180)]
SMALL = ("--duration", "2s", "--no-predict", "--no-report", "--port", "0", "--json")


def has_postgres(folder: Path) -> bool:
    """Return True if a server runs on this data directory."""
    lines = (each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"]))
    return any("postgres" in line[0] and str(folder) in " ".join(line) for line in lines if line)


def test_the_embedded_postgresql_is_asked_and_gone_afterwards(tmp_path: Path) -> None:
    done = study("run", "users-sync", "users-async", *SMALL, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for cell in cells(tmp_path):
        assert cell["requests"] > 100  # type: ignore[operator]  # tens a second on any machine
        assert (cell["failures"], cell["unfinished"]) == (0, 0)
        assert cell["p999_ms"] >= cell["p99_ms"]  # type: ignore[operator]
        assert "COUNTS_DISAGREE" not in codes(cell)
    assert not has_postgres(tmp_path)
    for name in ("users-sync.1", "users-async.1"):
        cell_dir = CellDir(only_run(tmp_path) / "cells" / name)
        assert not (cell_dir.raw / "database").exists()
        assert (cell_dir.raw / "database.log").stat().st_size > 0
        assert cell_dir.load_record().database == databases_version(cell_dir)


def databases_version(cell_dir: CellDir) -> str:
    """The version in PostgreSQL's own log."""
    log = (cell_dir.raw / "database.log").read_text()
    version = log.split("starting PostgreSQL ", 1)[1].split(" ", 1)[0]
    return f"PostgreSQL {version}, embedded"


def test_a_server_of_the_users_gets_a_database_of_ours_and_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "journals").mkdir()
    own = Stack(0, tmp_path, None)
    own.database = start_database(own, Database("postgresql"), Interruption())
    try:
        url = own.database.env["APP_DATABASE_URL"]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE guest LOGIN CREATEDB PASSWORD 'sesame'")
        parts = urlsplit(url)
        given = f"postgresql://guest:sesame@127.0.0.1:{parts.port}/postgres"
        out = tmp_path / "out"
        done = study(
            "run", "users-async", *SMALL, "--out", str(out), "--database-url", given
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (cell,) = cells(out)
        assert cell["requests"] > 100  # type: ignore[operator]
        text = "".join(
            path.read_text(errors="replace") for path in out.rglob("*") if path.suffix == ".json"
        )
        assert "sesame" not in text
        with psycopg.connect(url) as connection:
            names = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            users = connection.execute("SELECT count(*) FROM users").fetchone()
        assert names == {"postgres", "template0", "template1"}
        assert users == (databases.USERS,)
    finally:
        own.close()
