"""A free-threaded Python that runs with the GIL, as its own flags report it."""

from __future__ import annotations

import sys
import sysconfig
import threading
import warnings

import pytest
from asgi_probe import gil, stacks

SAYS = (
    "The global interpreter lock (GIL) has been enabled to load module 'native._core', which has "
    "not declared that it can run safely without the GIL. To override this behavior and keep the "
    "GIL disabled (at your own risk), run with PYTHON_GIL=0 or -Xgil=0."
)
"""CPython 3.13 and 3.14."""


def substitute(monkeypatch: pytest.MonkeyPatch, free_threaded: bool, enabled: bool) -> None:
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: enabled, raising=False)
    monkeypatch.setattr(sysconfig, "get_config_var", {"Py_GIL_DISABLED": int(free_threaded)}.get)
    monkeypatch.setattr(gil, "modules", [])
    monkeypatch.setattr(gil, "observers", [])
    monkeypatch.delenv("PYTHON_GIL", raising=False)
    monkeypatch.setattr(sys, "_xoptions", {})


def test_this_interpreter_says_what_it_is() -> None:
    found = gil.describe_gil()
    if sys.version_info < (3, 13):
        assert found == {"gil": True, "free_threaded": False, "gil_enabled_by": None}
    else:
        assert found["gil"] or found["free_threaded"]


@pytest.mark.filterwarnings("default")
def test_the_module_that_the_warning_names_is_noted_and_the_warning_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    substitute(monkeypatch, free_threaded=True, enabled=True)
    shown: list[str] = []
    noticed: list[dict[str, object]] = []
    gil.observers.append(lambda: noticed.append(gil.describe_gil()))
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: shown.append(str(message)))
    gil.listen_to_warnings()
    warnings.warn("another", RuntimeWarning, stacklevel=1)
    assert noticed == []
    warnings.warn(SAYS, RuntimeWarning, stacklevel=1)
    assert shown == ["another", SAYS]
    expected = {"gil": True, "free_threaded": True, "gil_enabled_by": "native._core"}
    assert noticed == [expected]


def test_without_the_gil_no_stack_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread could free its frames while they are read."""
    assert stacks.read_stack(threading.get_ident())
    monkeypatch.setattr(stacks, "has_gil", lambda: False)
    assert stacks.read_stack(threading.get_ident()) == []


def test_an_option_that_turns_it_on_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    substitute(monkeypatch, free_threaded=True, enabled=True)
    assert gil.describe_gil()["gil_enabled_by"] is None
    monkeypatch.setenv("PYTHON_GIL", "1")
    assert gil.describe_gil()["gil_enabled_by"] == gil.OPTION
    monkeypatch.setattr(sys, "_xoptions", {"gil": "0"})  # overrides the variable
    assert gil.describe_gil()["gil_enabled_by"] is None


@pytest.mark.parametrize(("free_threaded", "enabled"), [(False, True), (True, False)])
def test_without_a_gil_that_is_on_against_the_build_nothing_is_named(
    monkeypatch: pytest.MonkeyPatch, free_threaded: bool, enabled: bool
) -> None:
    substitute(monkeypatch, free_threaded, enabled)
    gil.note_warning(SAYS)
    assert gil.describe_gil()["gil_enabled_by"] is None
