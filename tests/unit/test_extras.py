"""Missing packages, and packages that replace others, are reported before a measurement."""

import pytest
import urllib3

from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError
from scenarios.model import Library
from stress import extras
from study.selection import select_possible


@pytest.mark.parametrize("library", extras.ON_URLLIB3)
def test_no_figure_of_urllib3_is_that_of_what_replaced_it(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    extras.check_client_library(library)
    monkeypatch.setattr(urllib3, "__version__", "2.25.904")
    with pytest.raises(UserError) as refused:
        extras.check_client_library(library)
    assert f"{library}: urllib3-future has replaced urllib3" in str(refused.value)
    assert (refused.value.exit_code, "\n" in str(refused.value)) == (3, False)
    extras.check_client_library("httpx")


def test_scenarios_of_a_library_that_was_left_out_are_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(extras, "is_installed", lambda package: package != "niquests")
    chosen = select_scenarios(("call-def-urllib3", "call-def-niquests"))
    assert [each.name for each in select_possible(chosen).scenarios] == ["call-def-urllib3"]
    assert "left out call-def-niquests: a scenario with niquests needs" in capsys.readouterr().err


def test_the_command_leaves_urllib3_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Like its own README: built from source with a variable set."""
    monkeypatch.setattr(extras, "IS_CLONE", False)
    monkeypatch.setattr(extras, "distribution", lambda _: NoReceipt())
    command = extras.build_install_command({"niquests"})
    assert command.startswith("env URLLIB3_NO_OVERRIDE=1 ")
    assert command.endswith("--no-binary urllib3-future 'asyncio-vs-threads[niquests]'")
    assert "urllib3" not in extras.build_install_command({"profile"})


class NoReceipt:
    def read_text(self, _: str) -> None:
        return None
