"""What the records keep of the user's command: no word that could be a secret."""

from pathlib import Path

import pytest

from records import command_words
from study.commands.audit import record_typed

ROOT = Path(command_words.__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("serve --db-url postgres://u:s3cret@h/db", "serve --db-url ..."),
        ("serve --token s3cret --key=s3cret -ps3cret", "serve --token ... --key=... -p..."),
        ("serve -p s3cret http://u:s3cret@h/", "serve -p ... ..."),
        ("env TOKEN=s3cret uvicorn main:app", "env TOKEN=... uvicorn main:app"),
        ("uvicorn --header x-t:s3cret main:app", "uvicorn --header ... main:app"),
        ("uvicorn --header main:app", "uvicorn --header ..."),
        ("serve admin:s3cret s3cret", "serve ... ..."),
        ("uvicorn --host u:s3cret@h --port 80", "uvicorn --host ... --port 80"),
        ("uvicorn --no-access-log --reload m:make()", "uvicorn --no-access-log --reload m:make()"),
        ("gunicorn --bind=h:80 --workers 4 m:a", "gunicorn --bind=h:80 --workers 4 m:a"),
        ("python -u -m uvicorn m:a -m s3cret", "python -u -m uvicorn m:a -m ..."),
        ("python -Xdev here.py run", "python -X... here.py ..."),
        ("uv run fastapi dev --s3cret-A", "uv ... fastapi dev ..."),
        ("serve " + "s" * 5000, "serve ..."),
    ],
)  # fmt: skip
def test_a_record_keeps_only_harmless_words(typed: str, shown: str, tmp_path: Path) -> None:
    (tmp_path / "here.py").touch()
    assert " ".join(command_words.hide_values(typed.split(), tmp_path)) == shown


def test_the_probe_hides_the_same() -> None:
    ours, others = (ROOT / each / "command_words.py" for each in ("records", "probe/asgi_probe"))
    assert ours.read_bytes() == others.read_bytes()


@pytest.mark.parametrize("dashes", [["--"], []])
def test_the_typed_command_line_hides_the_same(dashes: list[str], tmp_path: Path) -> None:
    command = ["python", "-m", "serve", "--token", "s3cret"]
    options = ["--header", "x: s3cret", "--before=POST /login s3cret", "--try", "pool=100"]
    shown = record_typed(["audit", *options, *dashes, *command], command, tmp_path)
    typed = " ".join([*dashes, "python -m serve --token ..."])
    assert shown == f"study audit --header ... --before=... --try pool=100 {typed}"
