"""Users' scenarios: a file next to the catalogue."""

from pathlib import Path

import pytest

from scenarios.catalogue import CATALOGUE, select_scenarios
from scenarios.errors import INTERRUPTED, UserError
from stress.load.oha import build_oha_command
from study.cli import main
from study.scenario_files import choose_scenarios

HEAD = "from scenarios.model import *\n"
MINE = (
    HEAD
    + """
def make(name, **more):
    return Scenario(
        name=name, group="mine", question="And mine?", expect="about 20 rps", why="It is mine.",
        endpoint=Endpoint("/async/sleep", "async def"), load=Load(users=2, duration_s=1.0),
        delay_s=0.1, **more,
    )

FIRST = make("first", server=Server(pool=7))
OTHERS = [FIRST, make("second", server=Server("given"), url="http://127.0.0.1:9")]
"""
)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_a_file_holds_scenarios_each_once(mine: Path) -> None:
    assert [each.name for each in choose_scenarios([str(mine)])] == ["first", "second"]


def test_it_goes_with_names_of_the_catalogue(mine: Path) -> None:
    found = choose_scenarios(["sync-http", str(mine)])
    assert [each.name for each in found] == ["sync-http", "first", "second"]
    assert choose_scenarios([]) == select_scenarios(())


def test_what_it_takes_from_the_catalogue_is_not_its_own(tmp_path: Path) -> None:
    path = tmp_path / "derived.py"
    path.write_text(
        "from dataclasses import replace\n"
        "from scenarios.catalogue import CATALOGUE, select_scenarios\n"
        "(BASE,) = select_scenarios(('sync-http',))\n"
        "MINE = replace(BASE, name='sync-http-slow', delay_s=2.0)\n"
    )
    (found,) = choose_scenarios([str(path)])
    assert (found.name, found.delay_s) == ("sync-http-slow", 2.0)


def test_a_copy_of_each_scenario_of_the_catalogue_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "copies.py"
    path.write_text(
        "from dataclasses import replace\n"
        "from scenarios.catalogue import CATALOGUE\n"
        "COPIES = [replace(each, name=f'copy-{number}') for number, each in enumerate(CATALOGUE)]\n"
    )
    assert len(choose_scenarios([str(path)])) == len(CATALOGUE)


def test_list_and_predict_take_it(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", str(mine)]) == 0
    assert "And mine?" in capsys.readouterr().out
    assert main(["show", str(mine)]) == 0
    assert "study run FILE" in capsys.readouterr().out
    assert main(["predict", str(mine), "--cpu", "1ms", "--users", "3"]) == 0
    printed = capsys.readouterr().out
    assert "first" in printed
    assert "second" in printed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_to_be_found\n", "line 1: ModuleNotFoundError: No module named"),
        (HEAD + "Scenario(\n", "line 2: SyntaxError"),
        (HEAD + "\n1 / 0\n", "line 3: ZeroDivisionError: division by zero"),
        ("raise SystemExit('no')\n", "SystemExit: no"),
        (HEAD, "it defines no Scenario"),
        (MINE + "AGAIN = make('second', server=Server())\n", "the name 'second' is taken"),
        (MINE + "AGAIN = make('sync-http', server=Server())\n", "the name 'sync-http' is taken"),
        (MINE + "AGAIN = make('fair', server=Server())\n", "the name 'fair' is taken"),
        (MINE + "AGAIN = make('../x', server=Server())\n", "'../x' is not valid"),
        (
            MINE + "A = make('a', server=Server(), url='http://127.0.0.1:9')\n",
            "must be given together",
        ),
        (MINE + "A = make('a', server=Server('given'))\n", "must be given together"),
        (MINE + "A = make('a', server=Server(app='a:b', pool=1))\n", "yours sets its own"),
        (MINE + "A = make('a', server=Server('given'), url='ftp://x')\n", "http://host:port"),
        (
            MINE + "A = make('a', server=Server(), file_mib=10**20)\n",
            "is not a number that a record can have",
        ),
    ],
)
def test_a_file_that_will_not_do_is_one_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert main(["run", str(path)]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert str(path) in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("end", ["", "/", "?"])
def test_the_path_of_a_request_follows_the_port(end: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("http://127.0.0.1:9", f"http://127.0.0.1:9{end}"))
    _, given = choose_scenarios([str(path)])
    assert given.url is not None
    command = build_oha_command(given, given.url, tmp_path, "measured", 1.0)
    assert command.argv[-1] == "http://127.0.0.1:9/async/sleep"


def test_other_machines_count_no_requests(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace("users=2", "users=2, requests=9"))
    assert main(["run", str(path), "--distributed", "--expect-workers", "1"]) == 2
    assert "first: a number of requests works only with the load of" in capsys.readouterr().err


def test_two_files_may_not_share_a_name(mine: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(MINE)
    with pytest.raises(UserError, match="the name 'first' is taken"):
        choose_scenarios([str(mine), str(other)])


def test_ctrl_c_during_the_import_is_not_the_file_s_fault(tmp_path: Path) -> None:
    """The command turns the signal into an exit."""
    file = tmp_path / "slow.py"
    file.write_text(f"raise SystemExit({INTERRUPTED})\n")
    with pytest.raises(SystemExit):
        choose_scenarios([str(file)])


def test_no_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "nowhere.py"]) == 2
    assert capsys.readouterr().err == "study: nowhere.py: there is no such file\n"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("users=2", "users=-5", "--users -5: give 1 to 100000"),
        ("users=2", "users='many'", "load.users"),
        ("delay_s=0.1", "delay_s='1s'", "delay_s"),
        ('endpoint=Endpoint("/async/sleep", "async def")', "endpoint='/ping'", "endpoint"),
        ("http://127.0.0.1:9", "http://user:sesame@127.0.0.1:9", "without user and query"),
        ("/async/sleep", "/größe", "a path must start with /, and be ASCII"),
        ("/async/sleep", "/a b", "without blanks"),
        (
            '"async def")',
            '"async def", "POST", {"a": 1})',
            "endpoint.body: Input should be a valid",
        ),
        ("delay_s=0.1", "rare=RareRequest('/x', 'def', 0)", "one_in must be at least 1"),
        ("delay_s=0.1", "bystander=BackgroundRequest(every_s=0)", "every_s must be at least"),
        ("delay_s=0.1", "bystander=BackgroundRequest('healthz')", "a path must start with /"),
        ("delay_s=0.1", "file_mib=0", "file_mib must be at least 1"),
        ("http://127.0.0.1:9", "http://127.0.0.1:80800", "give url='http://host:port'"),
        ("http://127.0.0.1:9", "http://[::1:8000", "give url='http://host:port'"),
        ("def make", "raise GeneratorExit\ndef make", "cannot import it: line 3: GeneratorExit"),
    ],
)
def test_a_wrong_value_is_one_line_and_no_secret_is_shown(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(MINE.replace(old, new))
    with pytest.raises(UserError) as caught:
        choose_scenarios([str(path)])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "sesame" not in str(caught.value)
