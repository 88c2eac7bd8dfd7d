"""Reads the requests of a user's file: an HTTP archive, an `.http` file, or vegeta targets."""

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
    """Read the requests; option and suffix decide the format. Raises UserError."""
    content = read_user_file(file, f"{option} cannot read {file.name}", MOST_FILE)
    content = content.removeprefix(b"\xef\xbb\xbf")  # the byte order mark of some editors
    if option == "--har" or file.suffix == ".har":
        return parse_har(content, file.name)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{option} needs UTF-8 text, which {file.name} is not") from error
    return parse_http_file(text, file) if file.suffix in HTTP_FILES else parse_targets(text, file)
