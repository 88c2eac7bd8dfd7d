"""The requests of a user's file: an HTTP archive, an `.http` file, or targets of vegeta's."""

from pathlib import Path

from scenarios.errors import UserError
from scenarios.user_files import read_user_file
from stress.audit.file_request import FileRequest
from stress.audit.parse_har import parse_har
from stress.audit.parse_http_file import parse_http_file
from stress.audit.parse_targets import parse_targets

MOST_FILE = 100 << 20
HTTP_FILES = (".http", ".rest")


def read_requests(file: Path, option: str) -> tuple[FileRequest, ...]:
    """By the option and the file's suffix. Raises UserError."""
    content = read_user_file(file, f"{option} cannot read {file.name}", MOST_FILE)
    content = content.removeprefix(b"\xef\xbb\xbf")  # some editors begin a file with it
    if option == "--har" or file.suffix == ".har":
        return parse_har(content, file.name)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{option} takes a text in UTF-8, which {file.name} is not") from error
    return parse_http_file(text, file) if file.suffix in HTTP_FILES else parse_targets(text, file)
