"""Which scenarios a run skips, and the duration that it announces."""

from dataclasses import replace
from pathlib import Path

import pytest

from scenarios.catalogue import select_scenarios
from scenarios.errors import UserError, build_cannot_run_error
from scenarios.model import Endpoint, ServerKind
from scenarios.resolution import MachineResources, resolve_scenario
from stress.plan import estimate_cell_s
from study.estimates import CALIBRATION_TAKES_S, estimate_run_s, format_estimate
from study.run import RunOptions, print_estimate
from study.run_flags import RunFlags, build_run_options
from study.selection import NO_PEERS, Peers, select_possible

ALL = MachineResources(uvloop=True, httptools=True, go=True)
PYTHON = {"sync-http-shared", "async-http-shared", "async-http-sync-shared", "async-http-offload"}


def set_ready(monkeypatch: pytest.MonkeyPatch, **found: bool | UserError) -> None:
    """For each compiled server: it is built, or the reason why it cannot be."""

    def is_ready(server: ServerKind) -> bool:
        state = found.get(server, True)
        if isinstance(state, UserError):
            raise state
        return state

    monkeypatch.setattr("study.selection.is_ready", is_ready)


@pytest.mark.parametrize(
    ("peers", "left", "unbuilt", "said"),
    [
        ("all", PYTHON | {"axum-http-shared", "gin-http-shared"}, {"axum-http-shared"}, ""),
        ("built", PYTHON | {"gin-http-shared"}, set(), "axum-http-shared: not built yet"),
        ("none", PYTHON, set(), f"axum-http-shared, gin-http-shared: {NO_PEERS}"),
    ],
)
def test_which_compiled_servers_take_part(
    peers: Peers,
    left: set[str],
    unbuilt: set[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_ready(monkeypatch, axum=False)
    found = select_possible(select_scenarios(("fair",)), peers)
    assert ({each.name for each in found.scenarios}, set(found.unbuilt)) == (left, unbuilt)
    printed = capsys.readouterr().err
    assert printed.startswith(f"study: left out {said}" if said else "")
    assert printed.count("\n") == bool(said)


def test_a_quick_run_of_nothing_else_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    set_ready(monkeypatch, axum=False)
    found = select_possible(select_scenarios(("axum-http-shared",)), "built")
    assert found.unbuilt == {"axum-http-shared"}


def test_what_cannot_be_built_is_left_out_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_ready(monkeypatch, axum=build_cannot_run_error("no cargo"), gin=False)
    found = select_possible(select_scenarios(("fair",)))
    assert found.unbuilt == {"gin-http-shared"}
    assert capsys.readouterr().err == "study: left out axum-http-shared: no cargo\n"
    with pytest.raises(UserError, match="no cargo"):
        select_possible(select_scenarios(("axum-http-shared",)))


def test_nothing_left_without_peers_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    set_ready(monkeypatch)
    with pytest.raises(UserError, match=NO_PEERS) as refused:
        select_possible(select_scenarios(("axum-http-shared",)), "none")
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("flags", "quick", "peers"),
    [
        (RunFlags(), False, "all"),
        (RunFlags(), True, "built"),
        (RunFlags(peers=False), False, "none"),
        (RunFlags(peers=False), True, "none"),
    ],
)
def test_a_quick_run_waits_for_no_compiler(flags: RunFlags, quick: bool, peers: Peers) -> None:
    assert build_run_options(flags, (), quick=quick).peers == peers


def options(trials: int, *, predict: bool = True) -> RunOptions:
    return RunOptions("test", trials, 0, Path(), "study run", predict=predict)


@pytest.mark.parametrize(
    ("trials", "predict", "unbuilt", "said"),
    [
        # 10 s ramp, 1.5 s warm-up, 30 s window, 2 s drain, 6 s to start and end; 10 s to calibrate
        (1, True, (), "1 scenario: about 60 seconds"),
        (1, False, (), "1 scenario: about 50 seconds"),
        (5, True, (), "1 scenario x 5 trials: about 5 minutes"),
        (20, True, (), "1 scenario x 20 trials: about 17 minutes"),
        (
            1,
            True,
            ("axum-http-shared",),
            "1 scenario: about 60 seconds, plus the time to build axum",
        ),
    ],
)
def test_a_run_says_beforehand_how_long_it_takes(
    trials: int,
    predict: bool,
    unbuilt: tuple[str, ...],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chosen = [resolve_scenario(each, ALL) for each in select_scenarios(("axum-http-shared",))]
    print_estimate(chosen, options(trials, predict=predict), unbuilt)
    assert capsys.readouterr().err == f"study: {said}\n"


def test_what_is_alike_is_calibrated_once() -> None:
    (first,) = (resolve_scenario(each, ALL) for each in select_scenarios(("sync-sleep",)))
    alike, other = replace(first, delay_s=2.0), replace(first, endpoint=Endpoint("/", "def"))
    for chosen, calibrations in (([first] * 3, 1), ([first, alike], 1), ([first, other], 2)):
        without_s = estimate_run_s(chosen, 1, predict=False)
        assert estimate_run_s(chosen, 1) - without_s == pytest.approx(
            calibrations * CALIBRATION_TAKES_S
        )
        assert without_s == pytest.approx(sum(estimate_cell_s(each) for each in chosen))


def test_durations_read_well() -> None:
    assert [format_estimate(each) for each in (3.0, 61.0, 149.0, 151.0, 3000.0)] == [
        "10 seconds", "70 seconds", "150 seconds", "3 minutes", "50 minutes",
    ]  # fmt: skip
