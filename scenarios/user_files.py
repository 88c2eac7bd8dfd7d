"""Reads a file that a user names, with a size limit and a one-line error."""

from pathlib import Path

from scenarios.errors import UserError


def read_user_file(path: Path, what: str, most_bytes: int) -> bytes:
    """what: the start of the error, such as "--har cannot read app.har". Raises UserError."""
    try:
        if path.is_dir():
            raise UserError(f"{what}: it is a folder; name a file in it")
        if path.exists() and not path.is_file():  # a pipe may never end
            raise UserError(f"{what}: it is not a regular file")
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise UserError(f"{what}: {error.strerror}") from error
    except ValueError as error:  # a character that no path has
        raise UserError(f"{what}: this is not a valid file name") from error
    if len(content) > most_bytes:
        raise UserError(f"{what}: it is larger than {most_bytes:,} bytes")
    return content
