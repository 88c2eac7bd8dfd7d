"""Paths as a user reaches them from where they stand."""

from pathlib import Path


def format_path(path: Path) -> str:
    """Relative where it is below the current folder, absolute elsewhere."""
    here, whole = Path.cwd(), path.resolve()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)
