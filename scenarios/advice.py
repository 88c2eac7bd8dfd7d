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
    """None where it is not given."""

    waits: Annotated[Waits | None, Setting(
        "What a request waits for: network, disk, database, cpu (it computes) or nothing.",
        metavar="KIND",
    )] = None
    delay_s: Annotated[Second | None, Setting(
        "How long it waits or computes, such as 300ms.", unit=DURATION, bounds=(0.00001, 3600),
    )] = None
    rate: Annotated[float | None, Setting(
        "Requests that arrive, at all workers together, such as 200/s.", unit=RATE,
        bounds=(0.001, 1_000_000),
    )] = None
    workers: Annotated[int | None, Setting("Server processes.", bounds=(1, 4096))] = None
    cores: Annotated[int | None, Setting(
        "Of the server's machine; this one's if left out.", bounds=(1, 4096),
    )] = None
    cpu_s: Annotated[Second | None, Setting(
        "CPU of one request, such as 2ms; measured here if left out.", unit=DURATION,
        bounds=CPU_BOUNDS_S,
    )] = None
    thread_cpu_s: Annotated[Second | None, Setting(
        "CPU of one request in a def, with the way to its thread; --cpu if left out.",
        unit=DURATION, bounds=CPU_BOUNDS_S,
    )] = None
