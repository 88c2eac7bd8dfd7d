"""Other detectors of a blocked event loop, attached as their documentation says, in a separate
environment that is created on first use."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.corpus_trials import AskedAlone, Trial, ask_all, find_route
from tests.corpus.labels import APPS, CorpusApp
from tests.corpus.matching import Report
from tests.corpus.serve import ServedApp, serve

ENTRY = Path(__file__).with_name("rivals")
APP_PACKAGES = (
    "aiofiles", "django", "fastapi", "httpx", "jinja2", "litestar", "quart", "requests",
    "sqlalchemy", "urllib3", "uvicorn", "uvloop", "wsproto",
)  # fmt: skip
RIVALS: Mapping[str, str] = {
    "fastapi-loopguard": "fastapi-loopguard==0.9.0",
    "aiocop": "aiocop==1.2.1",
    "blockbuster": "blockbuster==1.5.29",
    "pyleak": "pyleak==0.2.0",
    "loopsentry": "loopsentry==1.2.0",
    "asyncio debug": "",
}
"""The package of each; asyncio's debug mode is part of Python."""
INSTALL_S = 300
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asyncio-vs-threads"
Place = tuple[str | None, str | None, int | None, str | None, str | None]


def make_environment(folder: Path, python: Path, packages: Sequence[str]) -> Path:
    """Return the environment's interpreter; uv creates it once per set of packages. Raises
    CalledProcessError."""
    made, uv = folder / "bin" / "python", str(Path(sys.executable).with_name("uv"))
    complete, wanted = folder / "complete", "\n".join(packages)
    if not complete.exists() or complete.read_text() != wanted:
        for words in (
            ("venv", "--clear", "--python", str(python), str(folder)),
            ("pip", "install", "--python", str(made), *packages),
        ):
            subprocess.run((uv, "--quiet", *words), check=True, timeout=INSTALL_S)
        complete.write_text(wanted)
    return made


def choose_environment(python: Path, cache: Path, packages: Sequence[str]) -> Path:
    """Return the interpreter of an environment for the Python version."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run((python, "-c", code), check=True, capture_output=True, text=True)
    kind = "rivals" if len(packages) > len(APP_PACKAGES) else "apps"
    return make_environment(cache / f"{kind}-{done.stdout.strip()}", python, packages)


def build_rival_variables(name: str, app: str, log: Path) -> dict[str, str]:
    """app: a module of the corpus. log: file for the detector's reports."""
    return {
        "PYTHONPATH": os.pathsep.join((str(ENTRY), str(APPS))),
        "RIVAL": name,
        "RIVAL_TARGET": app,
        "RIVAL_APPS": str(APPS),
        "RIVAL_LOG": str(log),
        "PYTHONASYNCIODEBUG": "1" if name == "asyncio debug" else "",
    }


@dataclass(frozen=True, slots=True)
class Rival:
    name: str

    def detect(self, trial: Trial) -> list[Report]:
        log = trial.folder / "reports.jsonl"
        log.touch()
        variables = {
            **build_rival_variables(self.name, trial.app.name, log),
            "CORPUS_TIMES": str(trial.times),
        }
        app = ServedApp("rival_entry:app", trial.python, trial.loop, variables)
        with serve(app, trial.folder / "server.log") as (port, _):
            asked = ask_all(port, trial)
        return read_reports(log, trial.app, asked)


def read_reports(log: Path, app: CorpusApp, asked: Sequence[AskedAlone]) -> list[Report]:
    """Return one report per place with its total seconds. The labels map a path to its template."""
    templates = {
        each.asking.target.partition("?")[0]: each.route for each in app.labels if each.asking
    }
    seconds: dict[Place, list[float | None]] = defaultdict(list)
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        route = templates.get(entry["path"], entry["path"])
        during = find_route(asked, entry["at_s"])
        place = (route, entry["file"], entry["line"], entry["function"], during)
        seconds[place].append(entry["seconds"])
    return [
        Report(
            route=route, file=file, line=line, function=function, during=during,
            seconds=None if None in took else sum(each or 0.0 for each in took),
        )
        for (route, file, line, function, during), took in seconds.items()
    ]  # fmt: skip
