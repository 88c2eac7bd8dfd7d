"""The requests that an audit plans, from the command line and from the app's OpenAPI document."""

import json
from collections.abc import Mapping
from pathlib import Path
from unittest.mock import patch

import pytest
from fastapi import FastAPI, Header, Query
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from scenarios.errors import UserError
from stress.audit import example_values, requests
from stress.audit.ask import Ask, RequestPlan, hide_query
from stress.audit.example_values import Stated
from stress.audit.find_document import ApiDocument, MissingDocument
from stress.audit.generate_value import choose_or_generate
from stress.audit.openapi import find_base_path, parse_document, plan_operations
from stress.audit.parse_requests import parse_header, parse_methods, parse_request
from stress.audit.requests import (
    RequestOptions,
    add_operations,
    plan_requests,
    render_plan,
)
from stress.audit.routes import does_fit
from stress.audit.schedule import plan_phases
from stress.interruption import Interruption
from stress.machine import is_own_address, list_own_addresses

HERE = Path(__file__).parent
GET = frozenset({"GET"})
SECRET = "s3cr3t-value"
NOWHERE = "http://127.0.0.1:9"


def plan(paths: Mapping[str, object], methods: frozenset[str] = GET, **more: object) -> RequestPlan:
    document = parse_document(json.dumps({"paths": paths, **more}).encode())
    return RequestPlan(*plan_operations(document, "", methods, (), Interruption()))


def plan_parameter(schema: object, **more: object) -> RequestPlan:
    parameter = {"name": "p", "in": "query", "required": True, "schema": schema, **more}
    return plan({"/x": {"get": {"parameters": [parameter]}}})


class TestWhatUsersType:
    def test_a_request_has_method_target_and_body(self) -> None:
        ask = parse_request('POST /login?next=/ {"a": 1}', "--request", HERE)
        assert (ask.method, ask.target, ask.route) == ("POST", "/login?next=/", "/login")
        assert ask.body == b'{"a": 1}'
        assert ask.headers == (("Content-Type", "application/json"),)

    def test_a_body_may_be_a_file_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "creds.txt").write_text("user=a&password=b")
        ask = parse_request("POST /login @creds.txt", "--before", tmp_path)
        assert ask.body == b"user=a&password=b"
        assert ask.headers == (("Content-Type", "application/x-www-form-urlencoded"),)

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("GET", "method and a path"),
            ("/items", "method and a path"),
            ("get /items", "in capitals"),
            ("GET items", "exactly one /"),
            ("GET //host/items", "exactly one /"),
            ("GET http://host/", "exactly one /"),
            ("GET /é", "%XX"),
            ("POST /x @missing.json", "missing.json"),
            ("", "method and a path"),
        ],
    )
    def test_a_malformed_request_is_one_line(self, text: str, names: str, tmp_path: Path) -> None:
        with pytest.raises(UserError) as caught:
            parse_request(text, "--request", tmp_path)
        assert names in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("text", ["", "no colon", ": v", "a b: v", "Connection: x", "X: a\nb"])
    def test_a_malformed_header_is_named_without_its_value(self, text: str) -> None:
        with pytest.raises(UserError) as caught:
            parse_header(f"{text}{SECRET}" if ":" in text[:3] else text)
        assert SECRET not in str(caught.value)

    def test_methods_are_checked(self) -> None:
        assert parse_methods("get, POST") == {"GET", "POST"}
        with pytest.raises(UserError, match="'FETCH'"):
            parse_methods("GET,FETCH")

    @given(st.text(max_size=60))
    def test_any_text_is_a_request_or_one_clear_line(self, text: str) -> None:
        problem = ""
        try:
            target = parse_request(text, "--request", HERE).target
        except UserError as error:
            target, problem = "/", str(error)
        assert target.startswith("/")
        assert target.isascii()
        assert "\n" not in problem

    def test_secrets_are_in_no_repr_and_no_plan(self) -> None:
        headers = (parse_header(f"Authorization: Bearer {SECRET}"),)
        ask = parse_request(f"POST /login?token={SECRET}&a=1 {SECRET}", "--request", HERE)
        ask = ask.add_headers(headers)
        options = RequestOptions(
            (f"GET /?t={SECRET}",), headers=(f"A: {SECRET}",), before=(SECRET,)
        )
        shown = [repr(ask), repr(options), *render_plan(RequestPlan((ask,), before=(ask,)))]
        assert not any(SECRET in each for each in shown)
        assert hide_query(ask) == "/login?token=…&a=…"

    def test_requests_without_any_are_refused(self) -> None:
        with pytest.raises(UserError, match="--request"):
            plan_requests(NOWHERE, RequestOptions(drive="requests"), Interruption())

    def test_another_machine_gets_only_what_the_user_named(self) -> None:
        url = "http://service.invalid"
        with pytest.raises(UserError, match=r"service\.invalid is another machine"):
            plan_requests(url, RequestOptions(), Interruption())
        # no fetch of a document: the host name does not exist
        planned = plan_requests(url, RequestOptions(("GET /a",)), Interruption())
        assert [each.name for each in planned.asks] == ["GET /a"]

    def test_an_address_of_this_machine_is_not_another_machine(self) -> None:
        own = list_own_addresses()
        hosts = [f"[{each}]" if ":" in each else each for each in own]
        with patch.object(requests, "fetch_document", return_value=MissingDocument()):
            for host in (*hosts, "localhost", "127.0.0.2", "[::1]", "0.0.0.0"):
                planned = plan_requests(f"http://{host}:9", RequestOptions(), Interruption())
                assert [each.name for each in planned.asks] == ["GET /"]
        assert not any(map(is_own_address, ("service.invalid", f"{'a' * 70}.invalid", "8.8.8.8")))


class TestDocument:
    def test_every_get_of_an_app_is_filled_and_the_rest_is_listed(self) -> None:
        class Item(BaseModel):
            name: str
            count: int = 3

        app = FastAPI()

        @app.get("/items/{item_id}")
        def read(
            item_id: int, code: str = Query(pattern="^[A-Z]{2}-[0-9]{3}$"), x_key: str = Header()
        ) -> None: ...

        @app.post("/items")
        def create(item: Item) -> None: ...

        document = json.loads(json.dumps(app.openapi()))
        asks, unasked = plan_operations(document, "", GET, (), Interruption())
        assert [each.target for each in asks] == ["/items/1?code=AA-000"]
        assert asks[0].headers == (("x-key", "1"),)
        assert [(each.method, each.how) for each in unasked] == [
            ("POST", "--request 'POST /items @BODY.json'")
        ]
        asks, unasked = plan_operations(document, "", frozenset({"POST"}), (), Interruption())
        assert asks[0].body == b'{"name": 1}' or json.loads(asks[0].body or b"") == {"name": "1"}

    @pytest.mark.parametrize(
        ("schema", "more", "query"),
        [
            ({"type": "integer", "default": 7}, {"example": 5}, "p=5"),
            ({"type": "integer"}, {"examples": {"a": {"value": 6}}}, "p=6"),
            ({"type": "integer", "examples": [8], "default": 7}, {}, "p=8"),
            ({"type": "integer", "default": 7, "enum": [9]}, {}, "p=7"),
            ({"enum": ["b", "c"]}, {}, "p=b"),
            ({"type": "integer", "minimum": 2, "exclusiveMaximum": 4}, {}, "p=2"),
            ({"type": "integer", "minimum": 0, "exclusiveMinimum": True, "maximum": 1}, {}, "p=1"),
            ({"type": "string", "format": "date"}, {}, "p=2026-01-01"),
            ({"type": "boolean"}, {}, "p=true"),
            ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, {}, "p=1&p=1"),
            ({"type": "array", "items": {"enum": ["a"]}}, {"explode": False}, "p=a"),
            ({"anyOf": [{"type": "null"}, {"type": "number", "minimum": 50}]}, {}, "p=100"),
            ({"allOf": [{"$ref": "#/components/schemas/N"}]}, {}, "p=12"),
            ({}, {"content": {"application/json": {"example": {"a": 1}}}}, "p=%7B%22a%22%3A+1%7D"),
        ],
    )
    def test_stated_values_come_before_plain_ones_and_generated(
        self, schema: object, more: Mapping[str, object], query: str
    ) -> None:
        parameter = {"name": "p", "in": "query", "required": True, "schema": schema, **more}
        parts = {"schemas": {"N": {"type": "integer", "default": 12}}}
        planned = plan({"/x": {"get": {"parameters": [parameter]}}}, components=parts)
        assert [each.target for each in planned.asks] == [f"/x?{query}"]

    def test_generated_values_are_the_same_each_time(self) -> None:
        schema = {"type": "string", "pattern": "^[a-f]{4}-[xyz]+$"}
        first, second = plan_parameter(schema), plan_parameter(schema)
        assert first.asks == second.asks
        assert first.asks[0].source == "p from schema, generated"

    def test_a_pattern_that_keeps_a_regular_expression_busy_is_given_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(example_values, "GENERATOR_S", 2.0)
        planned = plan_parameter({"type": "string", "pattern": r"^([\w-]+)+!$b"})
        assert planned.unasked[0].reason == "no value for its schema was found within 2 s"

    @pytest.mark.parametrize(
        ("schema", "reason"),
        [
            ({"$ref": "#/components/schemas/A"}, "refers to a part that is missing"),
            ({"$ref": "other.json#/A"}, "refers to another document"),
            ({"$ref": "#/paths/~1x/get/parameters/0/schema"}, "refers to itself"),
            ({"type": "integer", "minimum": 5, "maximum": 4}, "no value fits"),
            ({"type": "string", "pattern": "("}, "no value fits"),
            ({"type": "object", "required": ["a"], "properties": {"a": {"type": "null"}}}, "text"),
        ],
    )
    def test_what_cannot_be_filled_says_why_and_what_to_type(
        self, schema: object, reason: str
    ) -> None:
        planned = plan_parameter(schema)
        assert not planned.asks
        assert reason in planned.unasked[0].reason
        assert planned.unasked[0].how == "--request 'GET /x?p=P'"

    def test_a_schema_that_needs_itself_is_listed_and_one_that_may_hold_itself_is_filled(
        self,
    ) -> None:
        node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Node"}}}
        body = {"required": True, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/Node"}}}}  # fmt: skip
        paths = {"/x": {"post": {"requestBody": body}}}
        post = frozenset({"POST"})
        planned = plan(paths, post, components={"schemas": {"Node": node}})
        assert planned.asks[0].body == b"{}"
        planned = plan(
            paths, post, components={"schemas": {"Node": {**node, "required": ["next"]}}}
        )
        assert "infinite nesting" in planned.unasked[0].reason
        assert planned.unasked[0].how == "--request 'POST /x @BODY.json'"

    def test_a_header_of_the_user_fills_the_parameter(self) -> None:
        schema = {"type": "string", "pattern": "("}
        parameter = {"name": "X-Key", "in": "header", "required": True, "schema": schema}
        document = {"paths": {"/x": {"get": {"parameters": [parameter]}}}}
        asks, _ = plan_operations(document, "", GET, (("x-key", SECRET),), Interruption())
        assert [each.name for each in asks] == ["GET /x"]
        assert not plan_operations(document, "", GET, (), Interruption())[0]

    def test_cookies_and_path_values_are_quoted(self) -> None:
        parameters = [
            {"name": "a", "in": "path", "required": True, "example": "x/y z"},
            {"name": "c", "in": "cookie", "required": True, "example": "1;2"},
        ]
        planned = plan({"/x/{a}": {"parameters": parameters, "get": {"summary": "s"}}})
        assert planned.asks[0].target == "/x/x%2Fy%20z"
        assert planned.asks[0].headers == (("Cookie", "c=1%3B2"),)

    @pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"paths": 1}', b"[" * 100_000, b"\xff"])
    def test_what_is_no_document_is_refused(self, text: bytes) -> None:
        with pytest.raises(ValueError, match=r".+"):
            parse_document(text)

    @pytest.mark.parametrize(
        ("server", "address", "base"),
        [
            ("/sub", "/sub/openapi.json", "/sub"),
            ("/proxy", "/openapi.json", ""),
            ("http://other/v1", "/v1/openapi.json", "/v1"),
            ("{scheme}://x", "/openapi.json", ""),
            ("http://[", "/openapi.json", ""),
            (3, "/openapi.json", ""),
        ],
    )
    def test_the_base_path_counts_where_the_document_lies_below_it(
        self, server: object, address: str, base: str
    ) -> None:
        assert find_base_path({"servers": [{"url": server}]}, address) == base

    def test_an_app_without_a_document_is_asked_its_root_and_that_is_said(self) -> None:
        planned = add_operations(RequestPlan(), MissingDocument(), GET, (), Interruption())
        assert [each.name for each in planned.asks] == ["GET /"]
        assert planned.warnings[0].startswith("The app has no OpenAPI document, so only GET / is")
        assert planned.routes_unknown == planned.warnings[0]
        named = add_operations(
            RequestPlan((Ask("GET", "/a", "/a"),)), MissingDocument(), GET, (), Interruption()
        )
        assert named.routes_unknown is None

    @pytest.mark.parametrize(
        ("status", "advice"),
        [
            (400, "--header 'Host: NAME'"),
            (401, "--header 'Authorization: ...'"),
            (307, "--header 'X-Forwarded-Proto: https'"),
            (500, "--request 'GET /items/1'"),
        ],
    )
    def test_a_document_that_exists_is_not_called_missing(self, status: int, advice: str) -> None:
        missing = MissingDocument(f"GET /openapi.json returns {status}", status)
        (said,) = add_operations(RequestPlan(), missing, GET, (), Interruption()).warnings
        assert said.startswith(f"GET /openapi.json returns {status}, so only GET / is sent. ")
        assert advice in said
        named = RequestPlan((Ask("GET", "/a", "/a"),))
        planned = add_operations(named, missing, GET, (), Interruption())
        assert planned.asks == named.asks
        assert "so only your requests are sent" in planned.warnings[0]
        assert planned.routes_unknown == planned.warnings[0]

    def test_a_request_that_logs_in_is_not_listed_as_unsent(self) -> None:
        document: dict[str, object] = {
            "paths": {"/login": {"post": {}}, "/orders": {"post": {}}, "/b": {"get": {}}}
        }
        login = Ask("POST", "/login", "/login", origin="option")
        planned = add_operations(
            RequestPlan(before=(login,)),
            ApiDocument("/openapi.json", "", document),
            GET,
            (),
            Interruption(),
        )
        assert [each.route for each in planned.unasked] == ["/orders"]

    def test_what_the_user_named_is_not_asked_twice(self) -> None:
        document = {"paths": {"/items/{id}": {"get": {"parameters": []}}, "/b": {"get": {"x": 1}}}}
        named = Ask("GET", "/items/3", "/items/{id}", origin="option")
        planned = add_operations(
            RequestPlan((named,)),
            ApiDocument("/openapi.json", "", document),
            GET,
            (),
            Interruption(),
        )
        assert [each.target for each in planned.asks] == ["/items/3", "/b"]
        assert not planned.unasked

    def test_a_placeholder_fits_one_segment(self) -> None:
        assert does_fit("/a/{x}/b", "/a/1.5/b")
        assert not does_fit("/a/{x}/b", "/a/1/2/b")
        assert not does_fit("/a.b", "/axb")


SCHEMA_WORDS = st.sampled_from(
    [
        "type", "object", "array", "string", "integer", "number", "boolean", "null", "properties",
        "required", "items", "minItems", "minimum", "maximum", "exclusiveMinimum", "enum", "const",
        "default", "example", "examples", "pattern", "format", "uuid", "$ref", "#/paths", "#",
        "#/components/schemas/A", "allOf", "anyOf", "oneOf", "name", "in", "path", "query",
        "header", "cookie", "schema", "content", "application/json", "value", "multipleOf",
        "requestBody", "parameters", "style", "deepObject", "nullable", "a", "{a}", "/{a}",
    ]
)  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | SCHEMA_WORDS
)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(SCHEMA_WORDS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
PARAMETERS = st.fixed_dictionaries(
    {
        "name": SCHEMA_WORDS | ANY_JSON,
        "in": st.sampled_from(["path", "query", "header", "cookie"]) | ANY_JSON,
        "required": st.just(True) | ANY_JSON,
        "schema": st.dictionaries(SCHEMA_WORDS, ANY_JSON, max_size=4) | ANY_JSON,
    }
)
DOCUMENTS = ANY_JSON | st.fixed_dictionaries(
    {
        "paths": st.dictionaries(
            st.sampled_from(["/x", "/{a}", "/ü {name}", "x"]) | st.text(max_size=4),
            st.fixed_dictionaries(
                {
                    "get": st.fixed_dictionaries({"parameters": st.lists(PARAMETERS, max_size=2)})
                    | ANY_JSON,
                    "post": st.fixed_dictionaries({"requestBody": ANY_JSON}) | ANY_JSON,
                }
            ),
            max_size=2,
        ),
        "components": st.fixed_dictionaries({"schemas": st.fixed_dictionaries({"A": ANY_JSON})}),
        "servers": ANY_JSON,
    }
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.nested_given, HealthCheck.too_slow],
)
@given(DOCUMENTS)
def test_any_json_is_planned_or_refused_in_one_line(content: object) -> None:
    """The generator runs here: a process for each of these schemas would take minutes."""
    with patch.object(example_values, "run_generator", generate_here):
        check_plan(content)


def generate_here(schema: str) -> Stated:
    return Stated(*choose_or_generate(json.loads(schema)))


def check_plan(content: object) -> None:
    problem = ""
    try:
        document = parse_document(json.dumps(content).encode())
        base = find_base_path(document, "/a/openapi.json")
        planned = RequestPlan(
            *plan_operations(document, base, frozenset({"GET", "POST"}), (), Interruption())
        )
    except ValueError as error:
        planned, problem = RequestPlan(), str(error)
    assert "\n" not in problem
    for ask in planned.asks:
        assert ask.target.startswith("/")
        assert ask.target.isascii()
        assert all(
            value.isascii() and value.isprintable() for pair in ask.headers for value in pair
        )
    assert all(line.isprintable() for line in render_plan(planned))


class TestSchedule:
    def test_two_routes_end_within_a_minute(self) -> None:
        asks = [Ask("GET", f"/{each}", f"/{each}") for each in "ab"]
        phases = plan_phases(asks, 20, 10.0)
        assert [each.users for each in phases] == [1, 1, 20, 20, 20]
        assert sum(each.length_s for each in phases) <= 30

    @given(st.integers(1, 300), st.integers(1, 50), st.floats(0.5, 60))
    def test_each_route_has_its_phases_and_many_shorten_them(
        self, routes: int, users: int, duration_s: float
    ) -> None:
        asks = [Ask("GET", f"/{each}", f"/{each}") for each in range(routes)]
        phases = plan_phases(asks, users, duration_s)
        assert len({each.name for each in phases}) == len(phases)
        alone = [each for each in phases if len(each.routes) == 1 and not each.has_background]
        assert {each.routes[0] for each in alone} == {each.name for each in asks}
        limit_s = max(2 * duration_s, 1.4 * routes)
        assert sum(each.length_s for each in alone) <= limit_s + 1e-6
