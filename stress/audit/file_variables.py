"""The variables of an `.http` file: set by `@name = value`, used as `{{name}}`."""

import os
import re
from collections.abc import Mapping, Sequence
from time import time
from uuid import uuid4

from records.harmless import escape_halves
from scenarios.errors import UserError
from stress.audit.parse_requests import MOST_BODY

USE = re.compile(r"\{\{ *([$A-Za-z0-9_][ -z|~]*?) *\}\}")
"""Matches names in plain characters only, since messages show unset names."""
OF_ENVIRONMENT = re.compile(r"\$(?:processEnv\s+|env\.)(\w+)\Z")
UNIQUE = frozenset({"$uuid", "$guid", "$random.uuid"})
MOST_NESTED = 10
"""Limit of nested variables; two that use each other stay unresolved."""


def fill_variables(text: str, variables: Mapping[str, str]) -> str:
    """Replace the variables in the text; unset ones stay unchanged. Raises UserError."""
    for _ in range(MOST_NESTED):
        filled = USE.sub(lambda use: look_up(use, variables), text)
        if filled == text or len(filled) > MOST_BODY:
            break
        text = filled
    return text


def look_up(use: re.Match[str], variables: Mapping[str, str]) -> str:
    name = use[1]
    if name in UNIQUE:
        return str(uuid4())
    if name == "$timestamp":
        return str(int(time()))
    if of_environment := OF_ENVIRONMENT.match(name):
        value = os.environ.get(of_environment[1], use[0])
        if escape_halves(value) != value:
            raise UserError(f"the variable {of_environment[1]} is not UTF-8; set it to text")
        return value
    return variables.get(name, use[0])


def list_unset(text: str) -> Sequence[str]:
    """Return the names of unset variables in a filled text, without their arguments."""
    return [found.split()[0] for found in USE.findall(text)]
