"""The address of the user's database server. It may hold a password, so that no scenario, no record
and no message has it."""

import os
import re
from urllib.parse import urlsplit

from scenarios.errors import UserError

URL_VARIABLE = "STUDY_DATABASE_URL"
BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


def set_database_url(url: str | None) -> None:
    """Put the option's address, if given, into the environment, where a stack looks for it. Raises
    UserError for what is there if it is no such address."""
    if url is not None:
        os.environ[URL_VARIABLE] = normalize_url(url)
    find_given_url()


def find_given_url() -> str | None:
    """Return the address; None if there is none. Raises UserError."""
    url = os.environ.get(URL_VARIABLE)
    return normalize_url(url) if url else None


def normalize_url(url: str) -> str:
    """Raises UserError for what a driver could read differently: a query may name another database,
    and a driver's message could show what follows a second @."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("postgresql", "postgres") and parts.hostname and parts.port != 0
        fits = fits and not parts.query and not parts.fragment and not BAD_PERCENT.search(url)
        fits = fits and parts.netloc.count("@") <= 1
    except ValueError:
        fits = False
    if not fits:
        raise UserError(
            "--database-url: give postgresql://user:password@host:port/name with nothing after "
            "it, and percent-encode special characters of the password"
        )
    return url.replace("postgres://", "postgresql://", 1)
