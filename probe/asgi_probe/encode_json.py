"""Encodes what the probe writes so that every reader of JSON can read it."""

from __future__ import annotations

from json import dumps  # a name of its own: a test of the app may patch json.dumps


def encode_json(content: object) -> bytes:
    """A name may not be UTF-8: Python keeps such bytes as halves of characters, which many readers
    refuse. They become text, such as \\udcff."""
    return dumps(escape_halves(content)).encode()


def escape_halves(content: object) -> object:
    if isinstance(content, str):
        return content.encode("utf-8", "backslashreplace").decode()
    if isinstance(content, dict):
        return {name: escape_halves(each) for name, each in content.items()}
    if isinstance(content, (list, tuple)):
        return [escape_halves(each) for each in content]
    return content
