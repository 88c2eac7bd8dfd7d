"""The OpenAPI documents of the FastAPI apps, and whether the apps follow them: schemathesis calls
each endpoint with valid and invalid input, in processes with all that the apps need."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckContext, Response
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from app import main
from app.systems import contrast, tasks, users
from stress import plan
from tests.process.contract_support import PEERS, Servers, servers_of

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(1200)]
APPS = {"main": main.app, "users": users.app, "tasks": tasks.app, "contrast": contrast.app}
AnyCase = Case[Any]
MODULES = {app.title: module for module, app in APPS.items()}
EXAMPLES, OF_PEERS = (600, 2000) if os.environ.get("STUDY_FAULTS") else (15, 15)
"""At most, of each endpoint: those of `sh tests/run.sh --faults` are more than 10,000 for the apps
together, and for each peer."""
AFFORDED = {"n": (10_000_000, 5000), "mb": (256, 4)}
"""The largest valid values, and the budget of all examples together."""


def errors_have_a_detail(_: CheckContext, response: Response, __: AnyCase) -> None:
    if response.status_code >= 400:
        body = response.json()
        assert isinstance(body, dict), body
        assert body["detail"], body


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    response_schema_conformance,
    negative_data_rejection,
    unsupported_method,
    errors_have_a_detail,
]
"""Without a check that valid input is accepted: the document cannot describe a cursor, or that
250.0 is not an integer here, or that a text must not contain NUL."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers_of(tmp_path_factory.mktemp("schemathesis")) as all_of_them:
        yield all_of_them


@schemathesis.pytest.parametrize(
    **{module: schemathesis.openapi.from_dict(app.openapi()) for module, app in APPS.items()}
)
@settings(
    max_examples=EXAMPLES,
    derandomize=True,  # a failure comes from a change, not from a random draw
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_an_endpoint_is_as_its_document_says(case: AnyCase, servers: Servers) -> None:
    spare(case)
    module = MODULES[case.operation.schema.title or ""]
    site = servers.site(module)
    # app.main responds with text, which its document does not describe.
    checks = CHECKS if module == "main" else [*CHECKS, content_type_conformance]
    case.call_and_validate(base_url=f"http://{plan.HOST}:{site.port}", checks=checks)


def spare(case: AnyCase) -> None:
    """Reduce valid work; leave invalid input unchanged."""
    for name, (highest, afforded) in AFFORDED.items():
        asked = str(case.path_parameters.get(name, ""))
        if asked.isdecimal() and 1 <= int(asked) <= highest:
            case.path_parameters[name] = 1 + int(asked) % afforded


def build_peer_document() -> dict[str, Any]:
    """What axum and gin offer: the endpoints of the contrast, each once and without its style."""
    document = contrast.app.openapi()
    paths = {
        path.removeprefix("/sync"): each
        for path, each in document["paths"].items()
        if path.startswith("/sync/")
    }
    return {**document, "paths": paths}


@schemathesis.pytest.parametrize(peer=schemathesis.openapi.from_dict(build_peer_document()))
@pytest.mark.parametrize("program", PEERS)
@settings(
    max_examples=OF_PEERS,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_a_compiled_server_has_no_internal_error(
    case: AnyCase, program: str, servers: Servers
) -> None:
    spare(case)
    port = servers.site(program).port
    case.call_and_validate(base_url=f"http://{plan.HOST}:{port}", checks=[not_a_server_error])
