"""The questions of `study advise`: a load, and the machine that serves it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from scenarios.options import Setting
from scenarios.units import DURATION, RATE, Second

Waits = Literal["network", "disk", "database", "cpu", "nothing"]
CPU_BOUNDS_S = (0.000001, 3600.0)


# fmt: off
@dataclass(frozen=True, slots=True)
class AdviceOptions:
    """The options as typed; None if not given."""

    waits: Annotated[Waits | None, Setting(
        "What a request waits for: network, disk, database, cpu (computation) or nothing. Asked "
        "on the terminal if not given.", metavar="KIND",
    )] = None
    delay_s: Annotated[Second | None, Setting(
        "Waiting or computing time per request, such as 300ms. Asked if not given.",
        unit=DURATION, bounds=(0.00001, 3600),
    )] = None
    rate: Annotated[float | None, Setting(
        "Arrival rate over all workers, such as 200/s. Asked if not given.", unit=RATE,
        bounds=(0.001, 1_000_000),
    )] = None
    workers: Annotated[int | None, Setting(
        "Server processes. Asked if not given.", bounds=(1, 4096),
    )] = None
    cores: Annotated[int | None, Setting(
        "Cores of the server's machine; this machine's if not given.", bounds=(1, 4096),
    )] = None
    cpu_s: Annotated[Second | None, Setting(
        "CPU time per request, such as 2ms; measured on this machine if not given.",
        unit=DURATION, bounds=CPU_BOUNDS_S,
    )] = None
    thread_cpu_s: Annotated[Second | None, Setting(
        "CPU time per request of a def endpoint, including the move to a thread; requires "
        "--cpu; the value of --cpu if only that is given; measured if neither is given.",
        unit=DURATION, bounds=CPU_BOUNDS_S,
    )] = None
