"""An option is declared once. The only second place is app/settings.py, which cannot import it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from app.settings import read_settings
from app.systems.databases import read_database_settings
from app.systems.environment import SettingsError
from scenarios.model import Upstream
from scenarios.options import SILENT, Option, list_options
from scenarios.overrides import apply_overrides
from scenarios.settings import Overrides, build_environment, format_as_options
from scenarios.sweep import SWEEPABLE
from scenarios.units import COUNT, DURATION
from study.options import GROUPS

OPTIONS = {option.name: option for option in list_options(Overrides)}
IN_ENVIRONMENT = [option for option in OPTIONS.values() if option.setting.environment]
NO_OPTIONS = {
    "APP_UPSTREAM_URL", "APP_FILE", "APP_THREAD_LINES", "APP_DATABASE_URL", "APP_DATABASE_LIFE",
    "APP_SQLITE",
}  # fmt: skip
"""Settings that only a stack, or a manually started process, uses."""


class Recorder(dict[str, str]):
    """An environment that records each requested name and its default."""

    def __init__(self) -> None:
        self.defaults: dict[str, object] = {}

    def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
        self.defaults[key] = default
        return default


def read_all(environment: Mapping[str, str]) -> None:
    """Read all settings. Raises SettingsError."""
    read_settings(environment)
    read_database_settings(environment)


def is_read(option: Option, value: object) -> bool:
    number = 1000 if option.unit is DURATION and isinstance(value, int | float) else None
    text = str(value) if number is None else str(round(float(str(value)) * number))
    try:
        read_all({option.setting.environment: text})
    except SettingsError:
        return False
    return True


def test_the_specimen_reads_each_setting_that_has_a_variable_and_none_more() -> None:
    asked = Recorder()
    read_all(asked)
    assert set(asked.defaults) - NO_OPTIONS == {
        option.setting.environment for option in IN_ENVIRONMENT
    }


@pytest.mark.parametrize("option", IN_ENVIRONMENT, ids=lambda option: option.name)
def test_both_have_the_same_bounds_and_choices(option: Option) -> None:
    if option.choices:
        assert all(is_read(option, choice) for choice in option.choices)
        assert not is_read(option, "nonsense")
        return
    assert option.setting.bounds is not None
    lowest, highest = option.setting.bounds
    step = 0.001 if option.unit is DURATION else 1
    assert is_read(option, lowest)
    assert is_read(option, highest)
    assert not is_read(option, lowest - step)
    assert not is_read(option, highest + step)


def test_both_have_the_same_defaults() -> None:
    asked = Recorder()
    read_all(asked)
    declared = build_environment(replace(SILENT, delay_s=1.0))
    assert declared == {key: asked.defaults[key] for key in declared}


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_each_option_is_complete(option: Option) -> None:
    assert option.setting.help.endswith(".")
    assert option.group in GROUPS
    assert option.default is None
    assert option.unit is None or option.setting.bounds


def choose_other_value(option: Option) -> object:
    """A value within the option's bounds or choices that is not its default."""
    usual = option.get_usual_value()
    if option.choices:
        return next(each for each in option.choices if each != usual)
    if option.kind is bool:
        return not usual
    if option.kind is str:
        return f"{usual} and more"
    assert option.setting.bounds
    lowest = round(option.setting.bounds[0]) + 1
    return lowest if lowest != usual else lowest + 1


@pytest.mark.parametrize("option", OPTIONS.values(), ids=lambda option: option.name)
def test_an_option_goes_where_it_says(option: Option) -> None:
    value = choose_other_value(option)
    given = {option.field: value}
    if option.field == "arrivals":
        given["arrival_rate"] = 5.0  # a distribution needs a rate
    if option.field == "think_spread_s":
        given["think_s"] = 2.0  # no pause is shorter than zero
    make: Callable[..., Overrides] = Overrides
    (scenario,) = apply_overrides([replace(SILENT, name="x", delay_s=1.0)], make(**given))
    assert option.read(scenario) == value


def test_what_fits_a_part_of_the_scenarios_leaves_the_others_alone() -> None:
    without = replace(SILENT, name="x", client=None, upstream=None, database=None)
    given = Overrides(client="httpx2", upstream="go")
    changed, same = apply_overrides([SILENT, without], given)
    assert same == without
    assert changed.client is not None
    assert (changed.client.library, changed.upstream) == ("httpx2", Upstream("go"))


def test_overrides_are_written_as_they_are_typed() -> None:
    given = Overrides(users=5, think_s=0.5, delay_s=2.0, keep_alive=False, database_pool=3)
    assert format_as_options(given) == (
        "--users 5 --think-time 500ms --delay 2s --db-pool 3 --no-keep-alive"
    )
    assert format_as_options(Overrides(arrival_rate=300.0)) == "--arrival-rate 300/s"
    assert format_as_options(Overrides()) == ""


def test_what_can_be_swept_is_a_number() -> None:
    assert {"pool", "users", "workers", "delay"} <= set(SWEEPABLE)
    assert all(option.unit in (COUNT, DURATION) for option in SWEEPABLE.values())
