"""How late an open loop sends its requests, at 1000 rps to /ping on the same machine.

    python -m benchmarks.open_loop_lateness [--rate 1000] [--arrivals poisson]

Prints the lateness of the sends and the CPU use of the load process. The targets are a median of
1 ms and a p99 of 2 ms.
"""

import argparse
import tempfile
from pathlib import Path

from analysis.report.write import load_cell_summary
from records.rundir import CellDir
from scenarios.model import Endpoint, Load, Scenario, Server
from stress.cell import run_cell
from stress.interruption import Interruption
from stress.runtime import CellRun, Runtime


def make_ping_scenario(rate: float, arrivals: str, duration_s: float) -> Scenario:
    return Scenario(
        name="ping",
        group="benchmark",
        question="",
        expect="",
        why="",
        endpoint=Endpoint("/ping", "async def"),
        server=Server(kind="uvicorn", loop="uvloop", http="httptools", worker_timeout_s=0.0),
        load=Load(
            arrival_rate=rate,
            arrivals="poisson" if arrivals == "poisson" else "constant",
            duration_s=duration_s,
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--arrivals", choices=("constant", "poisson"), default="constant")
    parser.add_argument("--duration", type=float, default=10.0, help="seconds")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    scenario = make_ping_scenario(asked.rate, asked.arrivals, asked.duration)
    print(f"{'offered rps':>12}{'median ms':>11}{'p99 ms':>9}{'load CPU %':>12}{'others':>8}")
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            cell = CellDir(Path(folder) / "ping.1")
            run_cell(CellRun(scenario, 1, cell), Runtime(0, Interruption(), lambda _: None))
            found = load_cell_summary(cell)
        assert found.open_loop is not None
        print(
            f"{found.open_loop.offered_rps:>12,.1f}"
            f"{found.generator_lateness_median_ms or 0:>11.2f}"
            f"{found.generator_lateness_p99_ms or 0:>9.2f}"
            f"{found.generator_cpu_percent_peak or 0:>12.0f}"
            f"{found.other_load_cores or 0:>8.2f}"
        )


if __name__ == "__main__":
    main()
