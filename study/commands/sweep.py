"""`study sweep`: one setting at several values."""

from collections.abc import Sequence
from dataclasses import dataclass, make_dataclass, replace
from typing import Annotated

from scenarios.errors import UserError
from scenarios.model import AS_USERS, Scenario
from scenarios.options import Option, Setting, list_given_options
from scenarios.settings import Overrides
from scenarios.sweep import SWEEPABLE, build_sweep_steps, parse_values, select_sweep_axis
from scenarios.units import Unit
from study import options as o
from study.run_flags import RunFlags, build_run_options

VALUES = Unit("VALUES", lambda option, text: parse_values(option.removeprefix("--"), text))


@dataclass(frozen=True)
class SweepValues:
    """The base of `SWEPT`, which has a field for each setting that can be swept."""

    def list_given(self) -> dict[str, tuple[float, ...]]:
        given = list_given_options(self)
        return {option.name[2:]: each for option, each in given if isinstance(each, tuple)}


def describe_values(option: Option) -> Setting:
    text = f"{option.setting.help} One value, or several such as {option.setting.sweepable}."
    return Setting(text, unit=VALUES, name=option.name, group=option.group)


SWEPT = make_dataclass(
    "SWEPT",
    [
        (each.field, Annotated[tuple[float, ...], describe_values(each)], ())
        for each in SWEEPABLE.values()
    ],
    bases=(SweepValues,),
    frozen=True,
)


@o.declare_command([each.name for each in SWEEPABLE.values()], values=SWEPT)
def sweep(
    first: o.Name,
    /,
    *more: o.Name,
    quick: o.Quick = False,
    values: SweepValues = SweepValues(),
    overrides: Overrides = Overrides(),
    flags: RunFlags = RunFlags(),
) -> int:
    """Run one setting at several values; find the value beyond which throughput stops growing.

    For example:
        study sweep sync-http-shared --pool 10,40,100,500 --delay 200ms
        study sweep call-async-httpx2 --arrival-rate 100/s --delay 100ms,1s,5s
    """
    from analysis.summary.sweep import SweepSettings
    from study.run import run_study

    swept, settled = select_sweep_axis(values.list_given(), overrides)
    chosen = o.choose_run_scenarios((first, *more), quick)
    rates = {settled.arrival_rate or each.load.arrival_rate for each in chosen}
    if len(rates) > 1:
        raise UserError("the scenarios have different arrival rates: sweep them one at a time")
    (rate,) = rates
    if rate is not None and swept.setting != "delay":
        raise UserError(
            f"--{swept.setting}: with an arrival rate, sweep only --delay: it determines how many "
            "requests are in flight"
        )
    scenarios, steps = build_sweep_steps(chosen, swept, settled)
    grows = describe_user_sized_values(chosen, settled)
    prefix = f"sweep-{swept.setting}-"
    order = build_run_options(flags, (first, *more), prefix, quick=quick)
    sweep_settings = SweepSettings(swept.setting, steps, grows, rate)
    return run_study(scenarios, replace(order, sweep=sweep_settings))


def describe_user_sized_values(chosen: Sequence[Scenario], overrides: Overrides) -> str:
    """Name the limits that are as large as the number of users."""
    pool = overrides.pool is None and any(each.server.pool == AS_USERS for each in chosen)
    connections = overrides.client_connections is None and any(
        each.client is not None and each.client.connections == AS_USERS for each in chosen
    )
    named = {"the pool": pool, "the client's connections": connections}
    return " and ".join(name for name, is_so in named.items() if is_so)
