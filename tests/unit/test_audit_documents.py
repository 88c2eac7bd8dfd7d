"""An audit's plan for difficult documents and command lines: planning ends soon, sends what the
user typed, and its advice can be typed."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from time import process_time
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from records.audit import UnaskedRoute
from scenarios.errors import CANNOT, UserError
from stress.audit import example_values, openapi
from stress.audit.ask import Ask, RequestPlan
from stress.audit.example_values import GENERATOR_S, Node, Stated
from stress.audit.openapi import parse_document, plan_operations
from stress.audit.parse_requests import parse_header, parse_request
from stress.audit.requests import RequestOptions, plan_requests, render_plan
from stress.interruption import CellInterruptedError, Interruption

HERE = Path(__file__).parent
SCHEMA = {"type": "string"}
NEVER: Mapping[str, object] = {"type": "string", "enum": [], "minLength": 9, "maxLength": 1}
"""A schema that allows no value."""


def plan(
    paths: Mapping[str, object],
    schemas: Mapping[str, object] | None = None,
    headers: Sequence[tuple[str, str]] = (),
    methods: Sequence[str] = ("GET",),
) -> RequestPlan:
    document = {"openapi": "3.1.0", "paths": paths, "components": {"schemas": schemas or {}}}
    node = parse_document(json.dumps(document).encode())
    return RequestPlan(*plan_operations(node, "", frozenset(methods), headers, Interruption()))


def need(name: str, place: str, schema: object = SCHEMA) -> dict[str, object]:
    return {"name": name, "in": place, "required": True, "schema": schema}


PATTERNS = [need(f"p{each}", "query", {"pattern": f"^{each}$"}) for each in range(40)]


def plan_one(*parameters: object, headers: Sequence[tuple[str, str]] = ()) -> RequestPlan:
    return plan({"/x": {"get": {"parameters": parameters}}}, headers=headers)


class TestItEndsSoon:
    @pytest.mark.parametrize(
        "schema",
        [
            {"anyOf": [{"$ref": "#/components/schemas/A"}] * 3},
            {"oneOf": [{"type": "array", "items": {"$ref": "#/components/schemas/A"}}] * 3},
            {"type": "array", "minItems": 20, "items": {"$ref": "#/components/schemas/A"}},
        ],
    )
    def test_a_schema_within_itself_many_times(self, schema: object) -> None:
        start_s = process_time()
        planned = plan(
            {"/x": {"get": {"parameters": [need("p", "query", schema)]}}}, schemas={"A": schema}
        )
        assert not planned.asks
        assert "its schema" in planned.unasked[0].reason
        assert process_time() - start_s < 10  # without a bound: 3 to the power of 24 schemas

    def test_lists_of_lists_of_lists(self) -> None:
        schema: object = {"type": "integer"}
        for _ in range(8):
            schema = {"type": "array", "minItems": 20, "items": schema}
        assert not plan_one(need("p", "query", schema)).asks  # 20 to the power of 8 numbers

    def test_an_example_of_lists_within_lists(self) -> None:
        example: object = 1
        for _ in range(700):
            example = [example]
        parameter = need("p", "query") | {"example": example}
        planned = plan({"/x": {"get": {"parameters": [parameter]}}})
        assert not planned.asks
        assert planned.unasked[0].reason == "its values are nested too deeply"

    def test_a_pattern_whose_search_doubles_with_each_character(self) -> None:
        start_s = process_time()
        plan_one(need("p", "query", {"type": "string", "pattern": r"^([0-9-]+)+!$"}))
        assert process_time() - start_s < 20  # a UUID is 36 characters long

    def test_the_limit_of_time_holds_within_an_operation(self) -> None:
        """Each of the patterns takes as long as a generator may, by a clock of the test."""
        now_s = 0.0

        def pass_time(_: str) -> Stated:
            nonlocal now_s
            now_s += GENERATOR_S
            return Stated("A", "schema, generated")

        with (
            patch.object(openapi, "monotonic", lambda: now_s),
            patch.object(example_values, "run_generator", side_effect=pass_time) as generate,
        ):
            planned = plan({"/x": {"get": {"parameters": PATTERNS}}, "/y": {"get": {"a": 1}}})
        assert generate.call_count == ceil(
            openapi.MOST_S / GENERATOR_S
        )  # the last one begins in it
        assert not planned.asks
        assert [(each.route, each.reason) for each in planned.unasked] == [
            ("/x", "the document takes longer than 15 s to fill"),
            ("/y", "the document takes longer than 15 s to fill"),
        ]

    def test_ctrl_c_within_an_operation(self) -> None:
        interruption = Interruption()

        def press(_: str) -> Stated:
            interruption.reason = "Ctrl-C"
            return Stated("A", "schema, generated")

        document: Node = {"paths": {"/x": {"get": {"parameters": PATTERNS}}}}
        with (
            patch.object(example_values, "run_generator", side_effect=press) as generate,
            pytest.raises(CellInterruptedError, match="Ctrl-C"),
        ):
            plan_operations(document, "", frozenset({"GET"}), (), interruption)
        assert generate.call_count == 1


class TestWhatTheUserTypesIsSent:
    def test_their_cookies_are_all_cookies(self) -> None:
        headers = (("Cookie", "session=mine"),)
        (ask,) = plan_one(need("session", "cookie"), headers=headers).asks
        assert ask.add_headers(headers).headers == headers

    def test_their_type_of_a_body_and_not_the_guessed_one(self) -> None:
        ask = parse_request("POST /x <a/>", "--request", HERE)
        typed = (("content-type", "text/xml"),)
        assert ask.add_headers(typed).headers == typed

    @pytest.mark.parametrize("name", ["X-Study-Request-ID", "content-length", "Host"])
    def test_a_document_sets_no_header_that_the_load_sets(self, name: str) -> None:
        (ask,) = plan_one(need(name, "header", {"type": "integer"})).asks
        assert ask.headers == ()

    @pytest.mark.parametrize("name", ["a b", "a:b", "a\r\nb", ""])
    @pytest.mark.parametrize("place", ["header", "cookie"])
    def test_a_name_that_no_header_can_have(self, name: str, place: str) -> None:
        planned = plan_one(need(name, place))
        assert "name that cannot be sent" in planned.unasked[0].reason

    def test_bytes_that_are_no_text(self) -> None:
        ask = parse_request(f"POST /x {os.fsdecode(bytes([255]))}", "--request", HERE)
        assert ask.body == bytes([255])


class TestWhatIsAdvised:
    def test_an_operation_without_a_word_is_one(self) -> None:
        planned = plan({"/x": {"get": {}, "post": {}, "put": None}})
        assert [each.name for each in planned.asks] == ["GET /x"]
        assert [each.method for each in planned.unasked] == ["POST"]

    def test_a_method_that_was_not_asked_for_is_named_alone(self) -> None:
        planned = plan({"/x/{id}": {"trace": {"a": 1}, "post": {"requestBody": {"a": 1}}}})
        assert [(each.reason, each.how) for each in planned.unasked] == [
            ("POST is sent only if you name it", "--request 'POST /x/ID @BODY.json'"),
            ("TRACE is sent only if you name it", "--request 'TRACE /x/ID'"),
        ]

    def test_headers_and_cookies_that_have_no_value(self) -> None:
        parameters = [need("X-Key", "header", NEVER), need("sid", "cookie"), need("q", "query")]
        assert plan_one(*parameters).unasked[0].how == (
            "--request 'GET /x?q=Q' --header 'X-Key: X_KEY' --header 'Cookie: sid=SID'"
        )

    @given(
        st.text(st.characters(exclude_characters="{}?#/", codec="utf-8"), max_size=8),
        st.text(st.characters(exclude_characters="{}", codec="utf-8"), max_size=8),
    )
    def test_a_shell_and_the_parser_take_it(self, part: str, name: str) -> None:
        path = f"/{part}/{{{name}}}"
        planned = plan({path: {"get": {"parameters": [need(name, "path", NEVER)]}}})
        for each in planned.unasked:
            option, text = shlex.split(each.how)
            assert parse_request(text, option, HERE).method == "GET"
        assert bool(planned.unasked) == (path.isprintable() and part != "")

    @pytest.mark.parametrize("base", ["", "//"])
    def test_no_path_is_another_host(self, base: str) -> None:
        """A user's request to their service may contain a secret."""
        document = {"paths": {"//other.example/x" if not base else "/x": {"get": {"a": 1}}}}
        assert plan_operations(document, base, frozenset({"GET"}), (), Interruption()) == ((), ())


class TestWrongWords:
    @pytest.mark.parametrize(
        "url", ["http://[", "127.0.0.1:8000", "localhost:8000", "ftp://a", "", "http://a:b"]
    )
    @pytest.mark.parametrize("requests", [(), ("GET /items/1",)])
    def test_an_address(self, url: str, requests: tuple[str, ...]) -> None:
        with pytest.raises(UserError, match="--url needs"):
            plan_requests(url, RequestOptions(requests), Interruption())

    def test_a_path_belongs_into_the_requests(self) -> None:
        options = RequestOptions(("GET /items/1",))
        with pytest.raises(UserError, match="--url takes no path"):
            plan_requests("http://service.invalid/api", options, Interruption())
        assert plan_requests("http://service.invalid/", options, Interruption()).asks

    def test_a_template_without_a_value(self) -> None:
        with pytest.raises(UserError, match="write a value there"):
            parse_request("GET /items/{item_id}", "--request", HERE)

    def test_a_body_that_may_never_end(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UserError, match="it is not a regular file"):
            parse_request("POST /x @pipe", "--request", tmp_path)

    def test_nothing_listens(self) -> None:
        """What a server cannot do is no bad input, as in a study of one that runs."""
        with pytest.raises(UserError, match="no server responds") as caught:
            plan_requests("http://127.0.0.1:9", RequestOptions(), Interruption())
        assert caught.value.exit_code == CANNOT

    @given(st.text())
    def test_any_text_is_a_request_or_one_line(self, text: str) -> None:
        problems = []
        for parse in (lambda: parse_request(text, "--request", HERE), lambda: parse_header(text)):
            try:
                parse()
            except UserError as error:
                problems.append(str(error))
        assert not any("\n" in each for each in problems)


def test_a_plan_is_80_columns_wide_and_options_stay_whole() -> None:
    how = "--request 'POST /a/rather/long/path/of/a/service/ID @BODY.json'"
    reason = "its schema requires infinite nesting"
    ask = Ask("GET", "/items/1?limit=10", "/items/{id}", source="id from example, " * 8)
    lines = render_plan(RequestPlan((ask,), (UnaskedRoute("POST", "/a/ID", reason, how),)))
    assert max(map(len, lines)) <= 80
    assert any(how in line for line in lines)
