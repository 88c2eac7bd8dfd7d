"""Paths as a user types them."""

from pathlib import Path


def format_path(path: Path) -> str:
    """Return a relative path below the current folder, an absolute one elsewhere."""
    here, whole = Path.cwd(), path.resolve()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
