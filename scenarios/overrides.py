"""Changes of scenarios from the command line, checked before anything starts."""

from collections.abc import Sequence
from dataclasses import replace

from scenarios.errors import UserError
from scenarios.model import FORMS_OF, Client, Load, Scenario, Server
from scenarios.options import Option, check_bounds, list_given_options, replace_value
from scenarios.settings import HAS_USERS, Overrides
from scenarios.units import format_duration


def apply_overrides(scenarios: Sequence[Scenario], overrides: Overrides) -> tuple[Scenario, ...]:
    """Return the changed scenarios. Raises UserError for an option that applies to none of them."""
    check_bounds(overrides)
    given = [option for option, _ in list_given_options(overrides)]
    for option in given:
        _reject_unfit(option, scenarios)
    for option in given:
        _reject_varied(option, scenarios)
    _reject_contradictions(given, overrides)
    found = tuple(_override_scenario(scenario, overrides) for scenario in scenarios)
    if overrides.worker_timeout_s and not any(each.server.kills_blocked_workers for each in found):
        raise UserError(
            "--worker-timeout is for gunicorn, which runs none of these scenarios: leave it out"
        )
    return found


def _reject_unfit(option: Option, scenarios: Sequence[Scenario]) -> None:
    condition = option.setting.applies_to
    if condition and not any(condition.holds(each) for each in scenarios):
        raise UserError(
            f"{option.name}: none of the chosen scenarios {condition.words}; leave it out"
        )


def _reject_varied(option: Option, scenarios: Sequence[Scenario]) -> None:
    """Contenders keep the setting in which they differ: an override would falsify their names."""
    if not option.choices:
        return
    by_subject: dict[str, set[object]] = {}
    for each in scenarios:
        if each.subject and each.server.is_python:
            by_subject.setdefault(each.subject, set()).add(option.read(each))
    varied = [subject for subject, values in by_subject.items() if len(values) > 1]
    if varied:
        raise UserError(
            f"{option.name}: the scenarios of {varied[0]!r} are named after this setting; choose "
            "one of them instead"
        )


def _reject_contradictions(given: Sequence[Option], overrides: Overrides) -> None:
    """Raises UserError for options that exclude or require each other."""
    if overrides.arrivals is not None and overrides.arrival_rate is None:
        raise UserError("--arrivals is for an open loop: give --arrival-rate too")
    for option in given:
        if overrides.arrival_rate is not None and option.setting.applies_to is HAS_USERS:
            raise UserError(
                f"{option.name}: an open loop has no users; leave out this or --arrival-rate"
            )
        if overrides.engine not in (None, "locust") and option.setting.needs_locust:
            raise UserError(
                f"{option.name}: only Locust supports it; leave out {option.name} or --engine"
            )


def _override_scenario(scenario: Scenario, o: Overrides) -> Scenario:
    if scenario.rare is not None and o.engine not in (None, "locust"):
        raise UserError(
            f"--engine {o.engine}: it requests one path, and {scenario.name} has two; leave it out"
        )
    found = scenario
    for option, value in list_given_options(o):
        if option.setting.applies_to is None or option.setting.applies_to.holds(scenario):
            found = replace_value(found, option.setting.sets, value)
    return replace(
        found,
        name=_name_variant(scenario, found.client),
        load=_settle_load(found.load, o),
        server=_settle_server(found.server),
    )


def _name_variant(scenario: Scenario, client: Client | None) -> str:
    """Append the library to the scenario's name if it differs from the scenario's own."""
    if client is None or scenario.client is None or client.library == scenario.client.library:
        return scenario.name
    form = scenario.endpoint.client_form
    if form not in FORMS_OF[client.library]:
        fitting = ", ".join(library for library, forms in FORMS_OF.items() if form in forms)
        raise UserError(
            f"--client {client.library}: {scenario.name} needs a client library with a {form} "
            f"form; choose one of {fitting}, or other scenarios"
        )
    return f"{scenario.name}-{client.library}"


def _settle_load(load: Load, o: Overrides) -> Load:
    engine = load.engine
    if o.requests is None and (o.arrival_rate is not None or engine != "locust"):
        load = replace(load, requests=None)
    if engine != "locust" and (load.is_open or load.think_s):
        what = "an open loop" if load.is_open else "a pause between requests"
        raise UserError(f"--engine {engine}: only Locust supports {what}; choose other scenarios")
    if engine != "locust" and load.processes > load.users:
        raise UserError(
            f"--load-processes {load.processes}: {engine} needs at least as many --users"
        )
    if load.think_spread_s > load.think_s:
        raise UserError(
            f"--think-spread {format_duration(load.think_spread_s)}: a pause of "
            f"{format_duration(load.think_s)} cannot be that much shorter; give a longer "
            "--think-time"
        )
    if load.requests is not None and load.processes > 1:
        raise UserError(
            f"--load-processes {load.processes}: one load process must count the {load.requests} "
            "requests; leave it out"
        )
    return load


def _settle_server(server: Server) -> Server:
    """Disable the worker timeout of a server that does not watch its workers."""
    if server.is_python and server.kind != "gunicorn":
        return replace(server, worker_timeout_s=0.0)
    return server
