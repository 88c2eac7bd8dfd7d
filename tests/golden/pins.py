"""What fixed records and fixed command lines make of each command: texts that a change of the code
must leave as they are. `python -m tests.golden.pins` writes them anew, for a change that is meant.
"""

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

from study.cli import main
from tests.golden.links import find_dead_links

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUNS = {"sample": ROOT / "docs" / "sample-run"} | {
    each.name: each for each in sorted((HERE / "runs").iterdir())
}
PINNED = HERE / "pinned"
REPORTS = ("summary.json", "summary.csv", "summary.md")
SVG = re.compile(r"<svg.*?</svg>", re.DOTALL)
"""Its text widths depend on a machine's fonts."""
CODE = re.compile(r"<(script|style)\b.*?</\1>", re.DOTALL)
TERMS = re.compile(r'<section id="terms">.*?</section>', re.DOTALL)
TAG = re.compile(r"<[^>]*>")
PROGRESS = re.compile(r"^.*: \d+ s so far\n", re.MULTILINE)
"""Of what takes long on this machine."""
PREDICT = ("--cpu", "0.5ms", "--cores", "2")
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "list": ("list",),
    "list-group": ("list", "classic", "rare"),
    "show": ("show", "sync-sleep"),
    "predict": ("predict", "sync-http-shared", "async-http", "async-http-sync-shared", *PREDICT),
    "predict-json": ("predict", "sync-http-shared", "--json", *PREDICT),
    "predict-range": ("predict", "fair", "--users", "10..1000", *PREDICT),
    "predict-size": ("predict", "sync-http-shared", "--target", "900/s", "--p99", "2s", *PREDICT),
    "advise": (
        "advise",
        "--waits",
        "network",
        "--delay",
        "300ms",
        "--rate",
        "200/s",
        "--workers",
        "1",
        *PREDICT,
    ),
    "predict-open": ("predict", "sync-http-shared", "--arrival-rate", "100/s", *PREDICT),
}
REFUSED: tuple[tuple[str, ...], ...] = (
    ("run", "nosuch"),
    ("run", "sync-htp"),
    ("run", "ping", "--users", "0"),
    ("run", "ping", "--users", "many"),
    ("run", "ping", "--users", "200000"),
    ("run", "ping", "--duration", "5"),
    ("run", "ping", "--duration", "5m5"),
    ("run", "ping", "--delay", "1s"),
    ("run", "ping", "--pool", "0"),
    ("run", "ping", "--client", "curl"),
    ("run", "ping", "--client", "httpx"),
    ("run", "ping", "--nonsense"),
    ("run", "ping", "--nonsense", "3"),
    ("run", "ping", "--users"),
    ("run", "ping", "--port", "70000"),
    ("run", "ping", "--arrival-rate", "100"),
    ("run", "ping", "--arrivals", "poisson"),
    ("run", "ping", "--arrival-rate", "100/s", "--users", "3"),
    ("run", "ping-uvicorn", "--engine", "oha", "--think-time", "1s"),
    ("run", "ping", "--worker-timeout", "1.5"),
    ("run", "async-sleep", "--delay", "0.4ms"),
    ("sweep", "users-overload", "--workers", "1,2"),
    ("predict", "users-overload", "--users", "10..1000"),
    ("run", "ping", "--server", "uvicorn", "--worker-timeout", "3"),
    ("run", "ping", "--trials", "0"),
    ("run", "ping", "--trials", "5000"),
    ("run", "ping", "--expect", "ping"),
    ("run", "ping", "--expect", "ping: p99 < 3"),
    ("run", "ping", "--expect", "png: p99_ms < 3"),
    ("run", "ping", "--expect", "missing.toml"),
    ("run", "ping", "--database-url", "mysql://a/b"),
    ("run", "ping", "--database-url", "postgresql://a:b@c@d/e"),
    ("run", "ping", "--db-pool", "3"),
    ("run", "ping", "--target", "a=http://127.0.0.1:1/"),
    ("run", "ping", "--distributed"),
    ("run", "ping", "--listen", "10.0.0.1"),
    ("run", "axum-http-shared", "--pool", "5"),
    ("run", "sync-http-shared", "--client", "aiohttp"),
    ("run", "ping-axum", "--profile"),
    ("sweep", "sync-http-shared"),
    ("sweep", "sync-http-shared", "--pool", "5"),
    ("sweep", "sync-http-shared", "--pool", "5,x"),
    ("sweep", "sync-http-shared", "--pool", "5,10", "--users", "5,10"),
    ("sweep", "ping-uvicorn", "--delay", "1s,2s"),
    ("sweep",),
    ("capacity", "nosuch"),
    ("capacity", "sync-http-shared", "--steps", "100"),
    ("capacity", "sync-http-shared", "--first-rate", "5"),
    ("predict", "sync-http-shared", "--target", "5/s"),
    ("predict", "sync-http-shared", "--users", "5..x"),
    ("predict", "sync-http-shared", "--users", "1..100", "--lifo"),
    ("predict", "sync-http-shared", "--plot", "x.svg"),
    ("compare", "nowhere", "elsewhere"),
    ("report", "nowhere"),
    ("workshop", "9"),
    ("nosuch",),
    (),
)


def run_main(*arguments: str) -> str:
    """What a command prints, and its exit code, with this machine's folders left out."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(arguments)
    said = PROGRESS.sub("", err.getvalue())
    text = f"$ study {' '.join(arguments)}\n{out.getvalue()}{said}exit code {code}\n"
    return text.replace(str(ROOT), "ROOT").replace(str(Path.cwd()), "HERE")


def read_page(path: Path) -> str:
    """The page's text, a line an element, without pictures, code and the glossary's terms. Raises
    AssertionError where one of its links leads nowhere."""
    assert not list(find_dead_links(path.read_text(), path.parent))
    page = TERMS.sub("", path.read_text())
    text = TAG.sub("\n", CODE.sub("", SVG.sub("(picture)", page)))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip()) + "\n"


def pin_reports(run: Path) -> str:
    copy = Path(run.name)
    shutil.copytree(run, copy)
    text = run_main("report", str(copy))
    for name in REPORTS:
        text += f"== {name}\n{(copy / name).read_text()}"
    return f"{text}== report.html\n{read_page(copy / 'report.html')}"


def pin_comparison(a: Path, b: Path) -> str:
    text = run_main("compare", str(a), str(b), "--anyway", "--html", "ab.html")
    return f"{text}== ab.html\n{read_page(Path('ab.html'))}"


def pin_refusals() -> str:
    return "\n".join(run_main(*each) for each in REFUSED)


PINS: Mapping[str, Callable[[], str]] = {
    **{f"report-{name}": partial(pin_reports, run) for name, run in RUNS.items()},
    "compare": partial(pin_comparison, RUNS["trials-a"], RUNS["trials-b"]),
    "refused": pin_refusals,
    **{name: partial(run_main, *arguments) for name, arguments in COMMANDS.items()},
}


def make_pin(name: str) -> str:
    """Made in an empty folder."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        return PINS[name]()


def write_pins(names: Iterator[str]) -> None:
    PINNED.mkdir(exist_ok=True)
    for name in names:
        (PINNED / f"{name}.txt").write_text(make_pin(name))


if __name__ == "__main__":
    write_pins(iter(sys.argv[1:] or PINS))
