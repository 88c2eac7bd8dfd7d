"""The command line: defaults, and one line for any error."""

import pytest

from slow_upstream.__main__ import main, open_log
from slow_upstream.checks import WRONG_USE, Options, SlowUpstreamError, parse_options


def test_defaults() -> None:
    assert parse_options([]) == Options(
        host="127.0.0.1",
        port=8090,
        default_ms=1000,
        distribution="constant",
        seed=1,
        error_rate=0.0,
        log=None,
    )


def test_both_ways_to_write_a_value() -> None:
    options = parse_options(["--port=0", "--default-ms", "5", "--error-rate=0.5", "--log", "a.csv"])
    assert (options.port, options.default_ms) == (0, 5)
    assert (options.error_rate, options.log) == (0.5, "a.csv")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--port", "http"], '--port: must be one whole number from 0 to 65535, not "http"'),
        (["--port", "-1"], '--port: must be one whole number from 0 to 65535, not "-1"'),
        (
            ["--default-ms=60001"],
            '--default-ms: must be one whole number from 0 to 60000, not "60001"',
        ),
        (
            ["--seed", "1.5"],
            '--seed: must be one whole number from 0 to 9223372036854775807, not "1.5"',
        ),
        (["--error-rate", "nan"], '--error-rate: must be a decimal number from 0 to 1, not "nan"'),
        (
            ["--distribution", "normal"],
            '--distribution: must be one of constant, uniform, lognormal, bimodal, not "normal"',
        ),
        (["--host", ""], "--host: must not be empty"),
        (["--log="], "--log: must not be empty"),
        (["--port"], "--port: expected one argument"),
        (["--default", "5"], "unrecognized arguments: --default 5"),
    ],
)
def test_one_line_names_the_option_and_the_value(argv: list[str], words: str) -> None:
    with pytest.raises(SlowUpstreamError) as refusal:
        parse_options(argv)
    assert str(refusal.value) == words
    assert refusal.value.exit_code == WRONG_USE


def test_a_log_that_cannot_be_written_is_named() -> None:
    with pytest.raises(SlowUpstreamError, match=r'^--log: cannot write "/nowhere/at/all.csv": '):
        open_log("/nowhere/at/all.csv")


def test_main_prints_the_line_and_gives_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "x"]) == WRONG_USE
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("slow-upstream: --seed: ")
    assert err.count("\n") == 1
