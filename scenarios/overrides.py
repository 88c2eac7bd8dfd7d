"""What the command line changes of scenarios, checked before anything starts."""

from collections.abc import Sequence
from dataclasses import replace

from scenarios.errors import UserError
from scenarios.model import FORMS_OF, Client, Load, Scenario, Server
from scenarios.options import Option, check_bounds, list_given_options, replace_value
from scenarios.settings import HAS_USERS, Overrides
from scenarios.units import format_duration


def apply_overrides(scenarios: Sequence[Scenario], overrides: Overrides) -> tuple[Scenario, ...]:
    """Each scenario with what was asked for. An option that fits none of them is refused."""
    check_bounds(overrides)
    timeout_s = overrides.worker_timeout_s
    if timeout_s is not None and timeout_s != int(timeout_s):
        raise UserError(f"--worker-timeout {timeout_s:g}: gunicorn takes whole seconds")
    given = [option for option, _ in list_given_options(overrides)]
    for option in given:
        _reject_unfit(option, scenarios)
    for option in given:
        _reject_varied(option, scenarios)
    _reject_contradictions(given, overrides)
    return tuple(_override_scenario(scenario, overrides) for scenario in scenarios)


def _reject_unfit(option: Option, scenarios: Sequence[Scenario]) -> None:
    condition = option.setting.applies_to
    if condition and not any(condition.holds(each) for each in scenarios):
        raise UserError(
            f"{option.name}: none of the chosen scenarios {condition.words}; leave it out"
        )


def _reject_varied(option: Option, scenarios: Sequence[Scenario]) -> None:
    """What tells contenders apart can't be made the same for all: their names would be wrong."""
    if not option.choices:
        return
    by_subject: dict[str, set[object]] = {}
    for each in scenarios:
        if each.subject and each.server.is_python:
            by_subject.setdefault(each.subject, set()).add(option.read(each))
    varied = [subject for subject, values in by_subject.items() if len(values) > 1]
    if varied:
        raise UserError(
            f"{option.name}: the scenarios of {varied[0]!r} differ in it, and are named after it; "
            "choose one of them"
        )


def _reject_contradictions(given: Sequence[Option], overrides: Overrides) -> None:
    """Options that exclude each other, or need each other."""
    if overrides.server == "uvicorn" and overrides.worker_timeout_s:
        raise UserError(
            "--worker-timeout is gunicorn's: uvicorn does not watch its loop; leave one of them out"
        )
    if overrides.arrivals is not None and overrides.arrival_rate is None:
        raise UserError("--arrivals says how an open loop's requests come: give --arrival-rate too")
    for option in given:
        if overrides.arrival_rate is not None and option.setting.applies_to is HAS_USERS:
            raise UserError(
                f"{option.name}: an open loop (--arrival-rate) has no users; leave one out"
            )
        if overrides.engine not in (None, "locust") and option.setting.needs_locust:
            raise UserError(f"{option.name}: only Locust can; leave it or --engine out")


def _override_scenario(scenario: Scenario, o: Overrides) -> Scenario:
    if scenario.rare is not None and o.engine not in (None, "locust"):
        raise UserError(
            f"--engine {o.engine}: it asks for one path, and {scenario.name} has two; leave it out"
        )
    found = scenario
    for option, value in list_given_options(o):
        if option.setting.applies_to is None or option.setting.applies_to.holds(scenario):
            found = replace_value(found, option.setting.sets, value)
    return replace(
        found,
        name=_name_variant(scenario, found.client),
        load=_settle_load(found.load, o),
        server=_settle_server(found.server, o),
    )


def _name_variant(scenario: Scenario, client: Client | None) -> str:
    """A scenario with another client library has its name behind its own."""
    if client is None or scenario.client is None or client.library == scenario.client.library:
        return scenario.name
    form = scenario.endpoint.client_form
    if form not in FORMS_OF[client.library]:
        fitting = ", ".join(library for library, forms in FORMS_OF.items() if form in forms)
        raise UserError(
            f"--client {client.library}: {scenario.name} needs a client with a {form} form, and "
            f"{client.library} has none; choose one of {fitting}, or other scenarios"
        )
    return f"{scenario.name}-{client.library}"


def _settle_load(load: Load, o: Overrides) -> Load:
    engine = load.engine
    if o.requests is None and (o.arrival_rate is not None or engine != "locust"):
        load = replace(load, requests=None)
    if engine != "locust" and (load.is_open or load.think_s):
        what = "an open loop" if load.is_open else "a pause between requests"
        raise UserError(f"--engine {engine}: {what} is Locust's alone; choose scenarios without")
    if engine != "locust" and load.processes > load.users:
        raise UserError(f"--load-processes {load.processes}: {engine} needs as many --users")
    if load.think_spread_s > load.think_s:
        raise UserError(
            f"--think-spread {format_duration(load.think_spread_s)}: a pause of "
            f"{format_duration(load.think_s)} cannot be so much shorter; give a longer --think-time"
        )
    if load.requests is not None and load.processes > 1:
        raise UserError(
            f"--load-processes {load.processes}: {load.requests} requests are counted by one "
            "load process; leave it out"
        )
    return load


def _settle_server(server: Server, o: Overrides) -> Server:
    """Nobody but gunicorn watches its workers' loops."""
    if server.is_python and server.kind != "gunicorn" and o.worker_timeout_s is None:
        return replace(server, worker_timeout_s=0.0)
    return server
