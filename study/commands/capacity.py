"""`study capacity`: the highest rate that an endpoint sustains."""

from dataclasses import replace
from typing import Annotated

from scenarios.errors import UserError
from scenarios.options import Setting
from scenarios.overrides import apply_overrides
from scenarios.settings import ARRIVAL_RATES, Overrides
from scenarios.units import DURATION, RATE, Second
from study import options as o
from study.scenario_files import choose_scenarios

OF_A_CLOSED_LOOP = (
    "--users", "--spawn-rate", "--think-time", "--think-spread", "--user-class", "--requests",
    "--engine", "--arrival-rate", "--duration",
)  # fmt: skip


# fmt: off
@o.declare_command(OF_A_CLOSED_LOOP)
def capacity(
    name: Annotated[str, Setting("One scenario; see `study list`.", name="SCENARIO|FILE")],
    /,
    *,
    duration: Annotated[Second, Setting(
        "Window of each step, such as 15s.", unit=DURATION, bounds=(0.5, 3600),
    )] = 15.0,
    first_rate: Annotated[float | None, Setting(
        "First arrival rate, such as 300/s; the predicted ceiling if not given.", unit=RATE,
        bounds=ARRIVAL_RATES,
    )] = None,
    steps: Annotated[int, Setting("Maximum steps of the search.", bounds=(1, 20))] = 8,
    overrides: Overrides = Overrides(),
    port: o.Port = o.DEFAULT_PORT,
    out: o.Out = o.DEFAULT_OUT,
) -> int:
    """Find the highest sustained rate, and the latency at 50, 70 and 90 % of it.

    For example:
        study capacity async-http-shared --delay 100ms
    """
    # fmt: on
    from study.capacity import find_capacity

    chosen = choose_scenarios((name,))
    if len(chosen) > 1:
        raise UserError(f"{name} has {len(chosen)} scenarios: give one, or a file with one")
    given = replace(
        overrides,
        duration_s=duration,
        arrival_rate=first_rate or 1.0,
        arrivals=overrides.arrivals or "constant",
    )
    (scenario,) = apply_overrides(chosen, given)
    return find_capacity(scenario, first_rate, steps, port, out)
