"""Chooses scenarios by name: from the catalogue and from users' files."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import reduce
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from urllib.parse import urlsplit

from records.parse_json import parse_json
from scenarios.catalogue import CATALOGUE, GROUPS, select_scenarios
from scenarios.errors import INTERRUPTED, UserError
from scenarios.model import FOREIGN_BYSTANDER, BackgroundRequest, Scenario, Server
from scenarios.options import list_options
from scenarios.resolution import MachineResources, resolve_scenario
from scenarios.settings import Overrides

TARGET = re.compile(r"[\w.]+:[\w.]+(\(\))?")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
PATH = re.compile(r"/[!-~]*")
LEAST_EVERY_S = 0.01
NO_RESOURCES = MachineResources(uvloop=False, httptools=False, go=False)


def is_scenario_file(name: str) -> bool:
    return name.endswith(".py")


def choose_scenarios(names: Sequence[str], default: Sequence[str] = ()) -> tuple[Scenario, ...]:
    """Return those of the catalogue in its order, then those of files. Raises UserError."""
    known = tuple(each for each in names if not is_scenario_file(each))
    files = [Path(each) for each in dict.fromkeys(names) if is_scenario_file(each)]
    chosen = select_scenarios(known or tuple(default)) if known or not files else ()
    own = [(each, path) for path in files for each in read_scenarios(path)]
    taken = {each.name for each in CATALOGUE} | set(GROUPS)
    for scenario, path in own:
        if scenario.name in taken:
            raise UserError(f"{path}: the name {scenario.name!r} is taken; choose a new one")
        taken.add(scenario.name)
    return (*chosen, *(scenario for scenario, _ in own))


def read_scenarios(path: Path) -> tuple[Scenario, ...]:
    """Return the file's scenarios, also those in tuples and lists, without those imported from the
    catalogue. Raises UserError."""
    module = import_file(path)
    found: list[Scenario] = []
    for each in iterate_scenarios(module):
        if each not in CATALOGUE and each not in found:  # a wrong value may have no hash
            found.append(each)
    if not found:
        raise UserError(f"{path}: it defines no Scenario; scenarios/catalogue/ has examples")
    for scenario in found:
        check_values(path, scenario)
        check_scenario(path, scenario)
    return tuple(place_app(trim_url(each), path.resolve().parent) for each in found)


def place_app(scenario: Scenario, folder: Path) -> Scenario:
    """Set the folder of a user's module to that of the scenario file. The app may have no /ping."""
    if not scenario.server.has_users_app:
        return scenario
    usual = scenario.bystander == BackgroundRequest()
    return replace(
        scenario,
        server=replace(scenario.server, folder=str(folder)),
        bystander=FOREIGN_BYSTANDER if usual else scenario.bystander,
    )


def trim_url(scenario: Scenario) -> Scenario:
    """Remove the / that may follow the port: each request appends its path."""
    if scenario.url is None:
        return scenario
    return replace(scenario, url=f"http://{urlsplit(scenario.url).netloc}")


def import_file(path: Path) -> ModuleType:
    """Raises UserError."""
    spec = spec_from_file_location(f"scenarios_of_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UserError(f"{path}: there is no such file")
    module = module_from_spec(spec)
    sys.modules[module.__name__] = module  # dataclasses look up their module there
    try:
        spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, SystemExit) and error.code == INTERRUPTED:
            raise  # Ctrl-C during the import
        own = [
            each.lineno for each in extract_tb(error.__traceback__) if each.filename == str(path)
        ]
        line = getattr(error, "lineno", None) or (own[-1] if own else None)
        where = f"line {line}: " if line else ""
        words = " ".join(str(getattr(error, "msg", error)).split())
        raise UserError(
            f"{path}: cannot import it: {where}{type(error).__name__}: {words}"
        ) from error
    return module


def iterate_scenarios(module: ModuleType) -> Iterator[Scenario]:
    for value in vars(module).values():
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, Scenario):
                yield each


def check_values(path: Path, scenario: Scenario) -> None:
    """Check types, and the bounds that the options have. Raises UserError."""
    from pydantic import TypeAdapter, ValidationError  # takes tenths of a second to import

    try:
        text = json.dumps(asdict(scenario))
        parse_json(text)  # a run could not be read again
        TypeAdapter(Scenario).validate_json(text, strict=True)
        values: object = asdict(resolve_scenario(scenario, NO_RESOURCES))
        for option in list_options(Overrides):
            if option.setting.sets:
                condition = option.setting.applies_to
                applies = condition is None or condition.holds(scenario)
                check = option.check_bounds if applies else option.check_range
                check(reduce(find_part, option.setting.sets.split("."), values))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: {scenario.name}: {field}: {first['msg']}") from error
    except (TypeError, ValueError, UserError) as error:
        raise UserError(f"{path}: {scenario.name}: {error}") from error


def find_part(values: object, name: str) -> object:
    return values.get(name) if isinstance(values, dict) else None


def check_scenario(path: Path, scenario: Scenario) -> None:
    """Check what tests check for the catalogue. Raises UserError."""
    if not NAME.fullmatch(scenario.name):
        raise UserError(
            f"{path}: the name {scenario.name!r} is not valid: use up to 40 letters, digits, '.', "
            "'_', '-'"
        )
    server, named = scenario.server, f"{path}: {scenario.name}"
    if server.has_users_app and not TARGET.fullmatch(server.app):
        raise UserError(f"{named}: give Server(app='module:attribute')")
    if server.has_users_app and (scenario.client or scenario.database):
        raise UserError(f"{named}: client and database are for the study's apps")
    if server.has_users_app and server.pool != Server().pool:
        raise UserError(f"{named}: pool is for the study's apps; yours sets its own")
    if (server.is_python or server.is_compiled) != (scenario.url is None):
        raise UserError(f"{named}: url= and Server('given') must be given together")
    if scenario.url is not None and not is_plain(scenario.url):
        raise UserError(f"{named}: give url='http://host:port', without user and query")
    check_requests(named, scenario)


def check_requests(named: str, scenario: Scenario) -> None:
    """Raises UserError."""
    rare, bystander = scenario.rare, scenario.bystander
    paths = [scenario.endpoint.path, bystander.path, *([rare.path] if rare else [])]
    if not all(map(PATH.fullmatch, paths)):
        raise UserError(f"{named}: a path must start with /, and be ASCII without blanks")
    if rare is not None and rare.one_in < 1:
        raise UserError(f"{named}: one_in must be at least 1")
    if bystander.every_s < LEAST_EVERY_S:
        raise UserError(f"{named}: every_s must be at least {LEAST_EVERY_S}")
    if bystander.turns < 0:
        raise UserError(f"{named}: turns must not be negative")
    if scenario.file_mib is not None and scenario.file_mib < 1:
        raise UserError(f"{named}: file_mib must be at least 1")


def is_plain(url: str) -> bool:
    """Return True for a URL of host and port alone: it is recorded."""
    try:
        parts = urlsplit(url)
        is_bare = not (
            parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
        )
        return parts.scheme == "http" and bool(parts.hostname) and parts.port != 0 and is_bare
    except ValueError:  # a port of 80800, half of an IPv6 address
        return False
