"""The command line as a whole: each command shows its options, and refuses in one line."""

import shlex
import subprocess
import sys
from importlib.util import find_spec

import pytest
from cyclopts import Token

from records.parse_json import MOST_DIGITS
from scenarios.errors import UserError
from scenarios.options import list_options
from scenarios.settings import Overrides
from study import __version__
from study.cli import COMMANDS, MODULES, build_app, main
from study.options import GROUPS

NAMES = [
    command.__name__.replace("_", "-") for commands in COMMANDS.values() for command in commands
]


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_a_help_of_80_columns(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"Usage: study {name}")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("columns", ["1", "2", "10"])
def test_the_help_ends_on_a_narrow_terminal_too(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["capacity", "--help"]) == 0
    assert "Usage: study" in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_examples_that_it_understands(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    lines = (line.strip() for line in capsys.readouterr().out.splitlines())
    examples = [line for line in lines if line.startswith(f"study {name}")]
    assert examples
    for example in examples:
        words = shlex.split(example.partition(" >")[0])[1:]
        command, _, _ = build_app().parse_args(words, exit_on_error=False, print_error=False)
        assert command.__name__.replace("_", "-") == name


@pytest.mark.parametrize("name", [each for each in NAMES if each != "workshop"])
@pytest.mark.parametrize(
    ("digits", "said"), [(MOST_DIGITS, "give [0-9.e-]+ to [0-9.]+"), (400, "give"), (5000, "give")]
)
def test_each_number_has_bounds_that_a_record_can_hold(name: str, digits: int, said: str) -> None:
    """400 digits are infinite as a float; 5000 are more than int() takes. The number of an exercise
    has its own message."""
    suffixes = {"DURATION": "s", "RATE": "/s"}
    for argument in build_app()[name].assemble_argument_collection():
        parameter = argument.parameter
        if parameter.parse is False or parameter.converter is None:
            continue
        text = "9" * digits + suffixes.get(str(parameter.metavar), "")
        if argument.names[0] == "--delay":
            text = text.removesuffix("s") + "s"
        with pytest.raises(UserError, match=f"{argument.names[0]} .*{said}") as refused:
            parameter.converter(float, (Token(value=text),))  # type: ignore[operator]
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(
    shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    said = capsys.readouterr().out
    assert "load-worker" in said
    assert "spawn-rate" in said


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"study {__version__}\n"


def test_the_help_of_run_has_each_option_in_its_group_with_its_default(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "--help"]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    heads = [line.strip() for line in lines if line.startswith("   ") and line[3:4].isupper()]
    assert heads == ["Arguments", *GROUPS]
    text = " ".join(" ".join(lines).split())
    for option in list_options(Overrides):
        assert f" {option.name} " in text
    for said in ("[default: 500]", "[default: 30s]", "[default: gunicorn]", "[default: 4242]"):
        assert said in text


def test_no_option_has_two_meanings_in_a_command() -> None:
    assert len({option.name for option in list_options(Overrides)}) == len(list_options(Overrides))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "ping", "--usrs", "3"], "--usrs. Did you mean --users?"),
        (["run", "ping", "--users", "1.5"], "--users '1.5': give a whole number"),
        (["run", "ping", "--users", "-1"], "--users -1: give 1 to 100000"),
        (["run", "ping", "--users", ""], "--users '': give a whole number"),
        (["run", "ping", "--spawn-rate", "nan"], "--spawn-rate nan: give 0.1 to 10000"),
        (["run", "ping", "--server", "gunicron"], 'Did you mean "gunicorn"?'),
        (["run", "ping", "--seed", "-1"], "--seed -1: give 0"),
        (["run", "ping", "--no-quick"], "--no-quick"),
        (["sweep", "fair", "--users", "1,2", "--arrival-rate", "3/s"], "with an arrival rate"),
        (["workshop", "1.5"], "EXERCISE '1.5': give a whole number"),
        (["report"], "DIRECTORY"),
        (["report", "a", "b"], "b"),
        (["load-worker"], "--master"),
        (["rnu"], 'Did you mean "run"?'),
    ],
)
def test_wrong_use_is_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert printed.startswith("study: ")
    assert printed.count("\n") == 1


def test_of_an_option_given_twice_the_last_one_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["run", "ping", "--users", "5", "--users", "0"]) == 2
    assert "--users 0: give" in capsys.readouterr().err


def test_what_a_terminal_waits_for_is_a_module_of_the_command() -> None:
    assert set(MODULES) < set(NAMES)
    assert all(find_spec(module) for module in MODULES.values())


def test_the_help_imports_no_command() -> None:
    code = (
        "import sys; from study.cli import main; main(['--help']); "
        "sys.exit(any(name in sys.modules for name in ('polars', 'pydantic', 'study.run')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
