"""Paths as a user types them."""

from pathlib import Path

from records.harmless import make_harmless


def format_path(path: Path) -> str:
    """Return a relative path below the current folder, an absolute one elsewhere."""
    here, whole = Path.cwd(), path.resolve()
    return make_harmless(str(whole.relative_to(here) if whole.is_relative_to(here) else whole))
