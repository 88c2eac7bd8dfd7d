"""Wrong use, and impossible requests, give one line that says what is wrong, and start nothing.
tests/golden has exact texts; test_faults runs one of them as a process."""

import shlex
from pathlib import Path

import pytest

from study.cli import main

WRONG_USE, CANNOT = 2, 3
MINE = """
from scenarios import Endpoint, Load, Scenario, Server

ORDERS = Scenario(
    name="orders", group="mine", question="How many?", expect="some", why="It reads.",
    endpoint=Endpoint("/orders", "async def"), server=Server("given"), url="http://127.0.0.1:1",
    load=Load(users=2, duration_s=1.0),
)
"""

EVIDENCE = Path(__file__).parents[2] / "docs/evidence/guidance"
SUMMARY_ONLY = shlex.quote(str(next(EVIDENCE.glob("*-rare"))))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run --delay -1s", "--delay"),
        ("run --server apache", 'Invalid value "apache" for --server'),
        ("run sync-http --client aiohttp", "needs a client library with a blocking form"),
        ("run async-sleep --out /proc/nowhere", "--out /proc/nowhere: cannot write"),
        ("report /no/such/run", "not a run directory"),
        (f"report {SUMMARY_ONLY}", "-rare/cells is missing"),
        ("probe main", "give module:attribute"),
        ("probe main:app --app-dir /no/such", "--app-dir /no/such: no such folder"),
        ("probe main:app --users 5", "--drive none sends no requests: leave out --users"),
        ("probe main:app --timeout 5s", "--drive none sends no requests: leave out --users"),
        ("sweep sync-sleep", "varies one setting: none of the settings has several values"),
        ("sweep sync-sleep --pool 1,2 --users 3,4", "--users and --pool have several values"),
        ("sweep sync-sleep --pool 1,x", "'x' is not a whole number"),
        ("sweep sync-http --arrival-rate 9/s --pool 1,2", "sweep only --delay"),
        (
            "sweep nothing --delay 1ms,2ms",
            "--delay: none of the chosen scenarios has a delay that the study sets",
        ),
        ("sweep sync-sleep --pool 0,2", "--pool 0: give 1 to 10000"),
        ("sweep no-such --pool 1,2", "no scenario or group is called 'no-such'"),
        ("run contrast --target nonsense", "--target 'nonsense': only http:// is supported"),
        ("run users --target a=http://127.0.0.1:1", "--target is only for the group contrast"),
        ("run ping-axum --profile", "--profile: py-spy profiles only Python"),
        ("run ping-axum --pool 5", "--pool: none of the chosen scenarios runs a Python app"),
        ("run sync-http --db-pool 5", "--db-pool: none of the chosen scenarios uses a"),
        (
            "run contrast-root-def --requests 9 --load-processes 2",
            "one load process must count the 9",
        ),
        ("run async-sleep --expect 'async-sleep: p98_ms < 5'", "there is no figure 'p98_ms'"),
        ("run async-sleep --expect 'sync-slep: failures == 0'", "this run has no 'sync-slep'"),
        ("run async-sleep --expect 'async-sleep: failures = 0'", "'=' is not one of"),
        ("run async-sleep --expect none.toml", "none.toml: cannot read the expectations"),
        ("run async-sleep --seed -1", "--seed -1: give 0"),
        (
            "run users-async --database-url mysql://127.0.0.1/x",
            "--database-url: give postgresql://",
        ),
        (
            "run contrast-root-def --database-url postgresql://127.0.0.1/x",
            "--database-url: none of the chosen scenarios uses PostgreSQL; leave it out",
        ),
        (
            "run async-sleep --distributed --expect-workers 2 --requests 9",
            "async-sleep: a number of requests works only with the load of this machine",
        ),
        (
            "run async-sleep --distributed --expect-workers 1 --engine oha",
            "async-sleep: the engine oha works only with the load of this machine",
        ),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    words: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert_refused(words, WRONG_USE, said, (tmp_path, monkeypatch, capsys))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "run contrast --target a=http://127.0.0.1:1 --endpoint 'GET /'",
            "a: nothing is listening at http://127.0.0.1:1",
        ),
        ("run ./mine.py", "study: orders: nothing is listening at http://127.0.0.1:1 "),
        (
            "run users-async --database-url postgresql://nobody@127.0.0.1:1/x",
            "--database-url: connection",
        ),
    ],
)
def test_what_nobody_answers_is_one_line_and_code_3(
    words: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    folder = tmp_path / "empty"
    folder.mkdir()
    words = words.replace("./", "../")
    assert_refused(words, CANNOT, said, (folder, monkeypatch, capsys))


def test_an_engine_that_is_not_there_is_one_line_and_code_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_refused(
        "run async-sleep --engine oha",
        CANNOT,
        "oha is not on the PATH",
        (tmp_path, monkeypatch, capsys),
    )


def assert_refused(
    words: str,
    code: int,
    said: str,
    place: tuple[Path, pytest.MonkeyPatch, pytest.CaptureFixture[str]],
) -> None:
    """Run in an empty folder, which stays empty."""
    folder, monkeypatch, capsys = place
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STUDY_DATABASE_URL", "")
    assert main(shlex.split(words)) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert list(folder.iterdir()) == []
