"""Long and large: `python -m benchmarks.long_run [--minutes 30] [--users 5000]
[--load-processes 64] [--only ping|users|processes] [--scenario ping-uvicorn] [--out FOLDER]`.

- ping: `/ping` under the probe, saturated by oha. Each minute, one line with the memory of server,
  study and load, and the size of the journal. From the first quarter to the last, without a tenth
  as warm-up, the server's memory may grow by 5 %. Then `study report` makes the report again.
- users: as many users as asked for, of the three styles that only sleep.
- processes: as many load processes as asked for.

After each part, no process of it may be left. Exit code 1 if a part fails. All of it is on loopback
and ends by itself; `--minutes 1 --users 200 --load-processes 4` is the short form. Time and memory
of `study` are those of its whole process: resident MiB at most, from the kernel.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic, sleep

import psutil

ROOT = Path(__file__).resolve().parent.parent
MIB = 2**20
LOOKS_S = 0.5
LINES_S = 60.0
WARM_UP_SHARE = 0.1
FLAT_WITHIN = 0.05
ENDS_WITHIN_S = 1800.0
"""Beyond the load's own time: starting, saving, judging and drawing."""
ROLES = {"load": ("oha --no-tui", "-m locust"), "server": ("--workers",)}


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Resident MiB of a role, without pages of files. journal_mib: of the probe, on disk."""

    at_s: float
    server_mib: float
    study_mib: float
    load_mib: float
    journal_mib: float


@dataclass(slots=True)
class StudyProcess:
    """A `study` command, with all processes that it has started. samples: in the order of time."""

    folder: Path
    words: Sequence[str]
    samples: list[MemorySample] = field(default_factory=list)
    seen: dict[int, psutil.Process] = field(default_factory=dict)
    seconds: float = 0.0
    peak_mib: float = 0.0

    def run(self, limit_s: float, show: Callable[[MemorySample], None]) -> str:
        """Return its standard output. Raises SystemExit with its last words if it fails."""
        print(f"$ study {' '.join(self.words)}", flush=True)
        begun_s, shown_s = monotonic(), 0.0
        with (
            (self.folder / "stdout").open("w+b") as said,
            (self.folder / "stderr").open("w+b") as err,
        ):
            process = subprocess.Popen(
                (sys.executable, "-m", "study", *self.words), cwd=ROOT, stdout=said, stderr=err,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
            me = psutil.Process(process.pid)
            while (code := self._poll(process)) is None:
                if monotonic() - begun_s > limit_s:
                    process.terminate()
                self.samples.append(self._look(me, monotonic() - begun_s))
                if self.samples[-1].at_s - shown_s >= LINES_S:
                    shown_s = self.samples[-1].at_s
                    show(self.samples[-1])
                sleep(LOOKS_S)
        self.seconds = monotonic() - begun_s
        if code != 0:
            sys.exit(f"exit code {code}:\n{(self.folder / 'stderr').read_text()[-2000:]}")
        self.check_nothing_left()
        return (self.folder / "stdout").read_text()

    def _poll(self, process: subprocess.Popen[bytes]) -> int | None:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if not pid:
            return None
        self.peak_mib = used.ru_maxrss / 1024
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode

    def _look(self, me: psutil.Process, at_s: float) -> MemorySample:
        with suppress(psutil.Error):
            self.seen |= {each.pid: each for each in me.children(recursive=True)}
        roles = dict.fromkeys(ROLES, 0.0)
        for each in self.seen.values():
            with suppress(psutil.Error):
                line = " ".join(each.cmdline())
                for role, programs in ROLES.items():
                    if any(program in line for program in programs):
                        roles[role] += measure_own_mib(each)
        own = 0.0
        with suppress(psutil.Error):
            own = measure_own_mib(me)
        journal = sum(path.stat().st_size for path in self.folder.rglob("probe-*.journal")) / MIB
        return MemorySample(at_s, roles["server"], own, roles["load"], journal)

    def check_nothing_left(self) -> None:
        left = [each for each in self.seen.values() if is_alive(each)]
        if left:
            sys.exit(f"left behind: {left}")
        print(f"{len(self.seen)} processes were started, none is left", flush=True)


def measure_own_mib(process: psutil.Process) -> float:
    """Return the resident memory without pages of files, which the kernel reclaims as it likes."""
    used = process.memory_info()
    return float(used.rss - getattr(used, "shared", 0)) / MIB


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def show_sample(sample: MemorySample) -> None:
    print(
        f"{sample.at_s / 60:7.1f} min  server {sample.server_mib:7.1f}  study"
        f" {sample.study_mib:7.1f}  load {sample.load_mib:7.1f}  journal"
        f" {sample.journal_mib:7.1f} MiB",
        flush=True,
    )


def read_cells(folder: Path) -> Iterator[dict[str, object]]:
    (summary,) = folder.glob("*/summary.json")
    yield from json.loads(summary.read_text())["cells"]


def run_ping(folder: Path, options: argparse.Namespace) -> None:
    load_s = 60.0 * options.minutes
    words = (
        "run", options.scenario, "--engine", "oha", "--duration", f"{load_s:g}s", "--no-predict",
        "--port", "0", "--out", str(folder), "--no-report", "--quiet",
    )  # fmt: skip
    study = StudyProcess(folder, words)
    study.run(load_s + ENDS_WITHIN_S, show_sample)
    (cell,) = read_cells(folder)
    requests = cell["requests"]
    assert isinstance(requests, int)
    each = MIB * max(sample.journal_mib for sample in study.samples) / requests
    print(
        f"{requests:,} requests in {study.seconds / 60:.1f} min: journal {each:.0f} bytes per"
        f" request, study {study.peak_mib:.0f} MiB"
    )
    loaded = [each for each in study.samples if each.load_mib and each.server_mib]
    steady = [each.server_mib for each in loaded[int(WARM_UP_SHARE * len(loaded)) :]]
    quarter = max(1, len(steady) // 4)
    first, last = median(steady[:quarter]), median(steady[-quarter:])
    print(
        f"server after the warm-up: {first:.1f} MiB in the first quarter, {last:.1f} in the last, "
        f"{min(steady):.1f} to {max(steady):.1f} in all"
    )
    (run,) = (each.parent for each in folder.glob("*/summary.json"))
    report = StudyProcess(folder, ("report", str(run)))
    report.run(ENDS_WITHIN_S, show_sample)
    print(f"study report: {report.seconds:.0f} s, {report.peak_mib:.0f} MiB", flush=True)
    if last > first * (1 + FLAT_WITHIN):
        sys.exit("the server's memory is not flat")


def run_users(folder: Path, options: argparse.Namespace) -> None:
    words = (
        "run", "control", "--users", str(options.users), "--spawn-rate",
        str(options.users // 20), "--duration", "30s", "--no-predict", "--port", "0", "--out",
        str(folder), "--no-report", "--quiet",
    )  # fmt: skip
    run_and_show(folder, words)


def run_processes(folder: Path, options: argparse.Namespace) -> None:
    words = (
        "run", "async-sleep", "--users", str(4 * options.load_processes), "--load-processes",
        str(options.load_processes), "--duration", "10s", "--no-predict", "--port", "0", "--out",
        str(folder), "--no-report", "--quiet",
    )  # fmt: skip
    run_and_show(folder, words)


def run_and_show(folder: Path, words: Sequence[str]) -> None:
    study = StudyProcess(folder, words)
    print(study.run(ENDS_WITHIN_S, show_sample))
    for cell in read_cells(folder):
        verdicts = cell["verdicts"]
        assert isinstance(verdicts, list)
        print(f"{cell['scenario']}: {', '.join(each['code'] for each in verdicts) or 'no verdict'}")


PARTS = {"ping": run_ping, "users": run_users, "processes": run_processes}


def main() -> None:
    parser = argparse.ArgumentParser(description="Long and large runs.")
    parser.add_argument("--minutes", type=float, default=30.0, help="of ping")
    parser.add_argument("--scenario", default="ping-uvicorn", help="for ping, such as ping-axum")
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--load-processes", type=int, default=64)
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--out", type=Path, help="folder to keep; removed at the end if not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        for name in [options.only] if options.only else PARTS:
            folder = (options.out or Path(temporary)) / name
            folder.mkdir(parents=True)
            PARTS[name](folder, options)


if __name__ == "__main__":
    main()
