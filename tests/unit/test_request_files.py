"""Files of requests: HTTP archives, `.http` files and vegeta's targets."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.errors import UserError
from stress.audit.ask import Ask, RequestPlan
from stress.audit.file_request import FileRequest
from stress.audit.parse_har import parse_har
from stress.audit.parse_http_file import parse_http_file
from stress.audit.parse_targets import parse_targets
from stress.audit.request_file import plan_file
from stress.audit.requests import RequestOptions, check_options, render_plan

SECRET = "s3cr3t-value"
HERE = Path(__file__).parent
GET = frozenset({"GET"})
ALL = frozenset({"GET", "POST", "WS"})


def make_entry(method: str, url: str, **more: object) -> dict[str, object]:
    entry = {key: more.pop(key) for key in ("pageref", "_webSocketMessages") if key in more}
    return entry | {"request": {"method": method, "url": url, **more}}


def write_har(*entries: Mapping[str, object], **log: object) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": entries, **log}}).encode()


def plan_har(content: bytes, methods: frozenset[str] = GET, host: str | None = None) -> RequestPlan:
    return plan_file(parse_har(content, "a.har"), "a.har", methods, host)


def plan_one(entry: Mapping[str, object]) -> Ask:
    (ask,) = plan_har(write_har(entry), ALL).asks
    return ask


class TestHar:
    def test_a_request_is_sent_as_it_was(self) -> None:
        headers = [
            {"name": name, "value": value}
            for name, value in {
                ":authority": "shop.example", "Host": "shop.example", "Content-Length": "3",
                "Accept-Language": "de", "If-None-Match": "x", "Content-Type": "text/plain",
                "Cookie": f"a={SECRET}",
            }.items()
        ]  # fmt: skip
        body = {"mimeType": "text/plain", "text": SECRET}
        url = f"https://shop.example/items/1%2F2?token={SECRET}&q=ä#top"
        ask = plan_one(make_entry("POST", url, headers=headers, postData=body))
        assert (ask.method, ask.route) == ("POST", "/items/1%2F2")
        assert ask.target == f"/items/1%2F2?token={SECRET}&q=%C3%A4"
        assert ask.body == SECRET.encode()
        assert ask.headers == (
            ("Accept-Language", "de"), ("Content-Type", "text/plain"), ("Cookie", f"a={SECRET}")
        )  # fmt: skip

    def test_cookies_are_sent_where_the_headers_have_none(self) -> None:
        cookies = [{"name": "a", "value": "1"}, {"name": "b", "value": "2"}]
        ask = plan_one(make_entry("GET", "http://a/", cookies=cookies))
        assert ask.headers == (("Cookie", "a=1; b=2"),)
        headers = [{"name": "cookie", "value": "a=1"}, {"name": "cookie", "value": "b=3"}]
        ask = plan_one(make_entry("GET", "http://a/", cookies=cookies, headers=headers))
        assert ask.headers == (("Cookie", "a=1; b=3"),)

    def test_a_header_that_the_user_types_comes_before_the_recorded_one(self) -> None:
        headers = [{"name": "authorization", "value": "old"}, {"name": "X-A", "value": "1"}]
        ask = plan_one(make_entry("GET", "http://a/", headers=headers))
        sent = ask.add_headers((("Authorization", "new"),)).headers
        assert sent == (("Authorization", "new"), ("X-A", "1"))

    def test_only_the_first_pages_host_is_asked_and_the_others_are_named(self) -> None:
        content = write_har(
            make_entry("GET", "https://early.example/x", pageref="page_2"),
            make_entry("GET", "https://shop.example:443/a", pageref="page_1"),
            make_entry("GET", "https://shop.example:8443/b", pageref="page_1"),
            make_entry("GET", "https://api.example/c", pageref="page_1"),
            make_entry("GET", "https://api.example/d", pageref="page_1"),
            make_entry("GET", "data:image/png;base64,AAAA", pageref="page_1"),
            pages=[{"id": "page_1"}, {"id": "page_2"}],
        )
        plan = plan_har(content)
        assert [each.target for each in plan.asks] == ["/a"]
        (said,) = plan.warnings
        assert "2 to api.example" in said
        assert "1 to shop.example:8443" in said
        assert "--from-host api.example" in said
        assert [each.target for each in plan_har(content, host="API.example").asks] == ["/c", "/d"]
        with pytest.raises(UserError, match=r"no request to it, only to api\.example"):
            plan_har(content, host="none.example")

    def test_a_first_page_that_redirects_is_that_of_the_host_it_leads_to(self) -> None:
        content = write_har(
            {**make_entry("GET", "http://shop.example/"), "response": {"status": 301}},
            make_entry("GET", "https://www.shop.example/"),
            {**make_entry("GET", "https://www.shop.example/cached"), "response": {"status": 304}},
        )
        plan = plan_har(content)
        assert [each.target for each in plan.asks] == ["/", "/cached"]
        assert "1 to shop.example" in plan.warnings[0]

    def test_methods_need_consent(self) -> None:
        content = write_har(*(make_entry(each, "http://a/x") for each in ("GET", "HEAD", "POST")))
        plan = plan_har(content)
        assert [each.method for each in plan.asks] == ["GET", "HEAD"]
        assert [(each.method, each.how) for each in plan.unasked] == [
            ("POST", "--methods GET,POST")
        ]
        assert [each.method for each in plan_har(content, frozenset({"POST"})).asks] == ["POST"]
        with pytest.raises(UserError, match="POST is sent only if you name it"):
            plan_har(write_har(make_entry("POST", "http://a/x")))

    def test_each_different_request_is_asked_once(self) -> None:
        urls = ("http://a/x", "http://a/x", "http://a/x?b=1", "http://a/y")
        plan = plan_har(write_har(*(make_entry("GET", each) for each in urls)))
        assert [each.target for each in plan.asks] == ["/x", "/x?b=1", "/y"]

    def test_a_form_is_written_from_its_fields(self) -> None:
        body = {"mimeType": "application/x-www-form-urlencoded", "params": [
            {"name": "a", "value": "1 2"}, {"name": "b", "value": "ü"}]}  # fmt: skip
        ask = plan_one(make_entry("POST", "http://a/", postData=body))
        assert ask.body == b"a=1+2&b=%C3%BC"
        assert ask.headers == (("Content-Type", "application/x-www-form-urlencoded"),)

    def test_a_body_that_was_not_saved_is_not_made_up(self) -> None:
        content = write_har(
            make_entry("GET", "http://a/"),
            make_entry("POST", "http://a/up", bodySize=10),
            make_entry("POST", "http://a/form", postData={
                "mimeType": "multipart/form-data; boundary=x", "params": [{"name": "file"}]}),
        )  # fmt: skip
        assert {each.route: each.reason for each in plan_har(content, ALL).unasked} == {
            "/up": "its body is not in the file", "/form": "its body is not in the file",
        }  # fmt: skip

    @pytest.mark.parametrize(("text", "body"), [("aGVsbG8=", b"hello"), ("no base64", None)])
    def test_a_binary_body_is_decoded(self, text: str, body: bytes | None) -> None:
        entry = make_entry("POST", "http://a/", postData={"text": text, "encoding": "base64"})
        (request,) = parse_har(json.dumps({"log": {"entries": [entry]}}).encode(), "a.har")
        assert (request.body, bool(request.problem)) == (body, body is None)

    @pytest.mark.parametrize(("opcode", "data"), [(1, "hello"), (2, "aGVsbG8=")])
    def test_a_websocket_sends_its_first_message(self, opcode: int, data: str) -> None:
        messages = [
            {"type": "receive", "opcode": 1, "data": "welcome"},
            {"type": "send", "opcode": opcode, "data": data},
        ]
        headers = [
            {"name": "Sec-WebSocket-Key", "value": "x"},
            {"name": "Sec-WebSocket-Extensions", "value": "permessage-deflate"},
            {"name": "Sec-WebSocket-Protocol", "value": "chat"},
        ]
        entry = make_entry("GET", "wss://a/chat", headers=headers, _webSocketMessages=messages)
        ask = plan_one(entry)
        assert (ask.name, ask.body) == ("WS /chat", b"hello")
        assert ask.headers == (("Sec-WebSocket-Protocol", "chat"),)
        with pytest.raises(UserError, match="--methods GET,WS"):
            plan_har(write_har(entry))

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "not valid JSON"),
            (b"[" * 100_000, "not valid JSON"),
            (b"{}", "log is invalid"),
            (write_har({"request": {"method": "GET"}}), "log.entries.0.request.url is invalid"),
            (
                write_har(make_entry("GET", "http://a", headers=SECRET)),
                "request.headers is invalid",
            ),
        ],
    )
    def test_what_is_no_archive_is_one_line_without_a_value(
        self, content: bytes, said: str
    ) -> None:
        with pytest.raises(UserError) as caught:
            parse_har(content, "a.har")
        assert said in str(caught.value)
        assert SECRET not in str(caught.value)


HTTP_FILE = """
@host = localhost:8000
@base = http://{{host}}/api
@loop = {{loop}}

### The list
GET {{base}}/items
    ?page=1
    &size=2 HTTP/1.1
Accept: text/html
# a comment
Authorization: Bearer {{$processEnv AUDIT_TOKEN}}

###
// @no-log
POST {{base}}/items
Content-Type: application/json

{
  "name": "{{host}}"
}

> {%
  client.test("a", function() {});

%}
###
POST http://localhost:8000/login
Content-Type: application/x-www-form-urlencoded

name=a
&password=b

>> answer.json
### Its body is a file
POST http://localhost:8000/raw

< body.json
###
WEBSOCKET ws://localhost:8000/chat

hello
=== wait-for-server
again
###
localhost:8000/short
###
GET {{unset}}/of-another-host
###
GET {{base}}/items/{{id}}
###
GET {{base}}/{{loop}}
"""


class TestHttpFile:
    def test_what_editors_send_is_sent(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AUDIT_TOKEN", SECRET)
        (tmp_path / "body.json").write_bytes(b'{"a": 1}')
        plan = self.plan(HTTP_FILE, tmp_path)
        assert [(each.method, each.target) for each in plan.asks] == [
            ("GET", "/api/items?page=1&size=2"), ("POST", "/api/items"), ("POST", "/login"),
            ("POST", "/raw"), ("WS", "/chat"), ("GET", "/short"), ("GET", "/of-another-host"),
        ]  # fmt: skip
        assert plan.asks[0].headers == (
            ("Accept", "text/html"), ("Authorization", f"Bearer {SECRET}")
        )  # fmt: skip
        assert [each.body for each in plan.asks[1:5]] == [
            b'{\n  "name": "localhost:8000"\n}', b"name=a&password=b", b'{"a": 1}', b"hello",
        ]  # fmt: skip
        assert plan.asks[3].headers == (("Content-Type", "application/json"),)

    def test_what_is_not_set_is_not_sent(self, tmp_path: Path) -> None:
        plan = self.plan(HTTP_FILE, tmp_path)
        reasons = {each.route: each.reason for each in plan.unasked}
        assert reasons["/api/items/{{id}}"] == "a.http does not set its {{id}}"
        assert reasons["/api/{{loop}}"] == "a.http does not set its {{loop}}"
        assert reasons["/api/items"] == "a.http does not set its {{$processEnv}}"
        assert "cannot read body.json" in reasons["/raw"]

    def test_a_part_of_a_form_may_be_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.bin").write_bytes(b"\xff\x00")
        text = (
            "POST /up\nContent-Type: multipart/form-data; boundary=x\n\n--x\n"
            'Content-Disposition: form-data; name="a"\n\n< ./a.bin\n--x--\n'
        )
        (ask,) = self.plan(text, tmp_path).asks
        assert ask.body == (
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\xff\x00\r\n--x--'
        )

    @pytest.mark.parametrize("typed", ["ab:c:d", "ab c:d"])
    def test_a_plain_password_is_encoded(self, typed: str, tmp_path: Path) -> None:
        text = f"GET /a\nAuthorization: Basic {typed}\n"
        (ask,) = self.plan(text, tmp_path).asks
        assert ask.headers == (("Authorization", "Basic YWI6Yzpk"),)

    def test_an_encoded_password_stays(self, tmp_path: Path) -> None:
        (ask,) = self.plan("GET /a\nAuthorization: Basic YWI6Yzpk\n", tmp_path).asks
        assert ask.headers == (("Authorization", "Basic YWI6Yzpk"),)

    @pytest.mark.parametrize("address", ["/a", "http://localhost/a", "{{host}}/a", "localhost/a"])
    def test_the_method_counts_in_small_letters_too(self, address: str, tmp_path: Path) -> None:
        (ask,) = self.plan(f"post {address} HTTP/1.1\n", tmp_path).asks
        assert (ask.method, ask.route) == ("POST", "/a")
        text = f"get {address}\n###\ndelete {address}\n###\nd<l {address}\n"
        plan = self.plan(text, tmp_path)
        assert [each.method for each in plan.asks] == ["GET"]
        assert [each.method for each in plan.unasked] == ["DELETE", "?"]

    @pytest.mark.parametrize("blank", ["\n", " "])
    def test_blanks_cost_no_more_than_other_text(self, blank: str, tmp_path: Path) -> None:
        """A million of them would take hours if each cost as much as all that follow it."""
        (ask,) = self.plan(f"GET /a{1_000_000 * blank}x: 1\n", tmp_path).asks
        assert ask.route.startswith("/a")

    @pytest.mark.parametrize(
        "text",
        [f"{each}{{{{$processEnv T}}}}\n" for each in ("POST /a\n\n", "GET /", "GET /\nX: ")],
    )
    def test_a_variable_that_is_not_text_is_named(
        self, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("T", os.fsdecode(b"\xff"))
        with pytest.raises(UserError, match="the variable T is not UTF-8"):
            self.plan(text, tmp_path)

    def plan(self, text: str, folder: Path) -> RequestPlan:
        return plan_file(parse_http_file(text, folder / "a.http"), "a.http", ALL, None)


class TestTargets:
    def test_the_method_counts_in_small_letters_too(self) -> None:
        (found,) = parse_targets('{"method": "post", "url": "http://a/b"}', HERE / "a.txt")
        assert found.method == "POST"

    def test_targets_are_read_as_vegeta_reads_them(self, tmp_path: Path) -> None:
        (tmp_path / "new.json").write_bytes(b"{}")
        text = (
            "# all of them\nGET http://goku:9090/a?b=1\nX-Account-ID: 86\n\n"
            "GET http://goku:9090/b\nPOST http://goku:9090/things\nX-A: 1\n@new.json\nGET /c\n"
        )
        plan = plan_file(parse_targets(text, tmp_path / "t.txt"), "t.txt", ALL, None)
        assert [(each.method, each.target, each.headers, each.body) for each in plan.asks] == [
            ("GET", "/a?b=1", (("X-Account-ID", "86"),), None),
            ("GET", "/b", (), None),
            ("POST", "/things", (("X-A", "1"), ("Content-Type", "application/json")), b"{}"),
            ("GET", "/c", (), None),
        ]

    def test_json_targets_are_read_as_vegeta_reads_them(self) -> None:
        body = base64.b64encode(b"a=1").decode()
        lines = [
            {"method": "GET", "url": "http://goku/1"},
            {"method": "POST", "url": "http://goku/2", "header": {"A": ["1", "2"]}, "body": body},
        ]
        text = "\n".join(json.dumps(each) for each in lines)
        first, second = parse_targets(text, Path("t.json"))
        assert first == FileRequest("GET", "http://goku/1")
        assert second == FileRequest("POST", "http://goku/2", (("A", "1"), ("A", "2")), b"a=1")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("GET", "t.txt line 1 needs a method and an address"),
            ("\nX-A: 1", "t.txt line 2 needs a method and an address"),
            (f"GET /a\n{SECRET}", "t.txt line 2 needs a header"),
            ("GET /a\n@none.json", "t.txt line 2 cannot read none.json"),
            (f'{{"method": "{SECRET}"}}', "t.txt line 1 is not a target"),
        ],
    )
    def test_a_line_that_is_none_is_named_without_its_value(self, text: str, said: str) -> None:
        with pytest.raises(UserError) as caught:
            parse_targets(text, Path("t.txt"))
        assert said in str(caught.value)
        assert SECRET not in str(caught.value)


class TestOptions:
    def test_secrets_are_in_no_repr_and_no_plan(self, tmp_path: Path) -> None:
        har = write_har(
            make_entry(
                "POST", f"http://a/x?token={SECRET}", postData={"text": SECRET},
                headers=[{"name": "A", "value": SECRET}], cookies=[{"name": "c", "value": SECRET}],
            ),
            make_entry("PUT", f"http://a/x?token={SECRET}", postData={"text": SECRET}),
            make_entry("POST", f"http://b/x?token={SECRET}"),
        )  # fmt: skip
        (tmp_path / "a.har").write_bytes(har)
        options = RequestOptions(methods="POST", app_dir=tmp_path, har=Path("a.har"))
        plan = check_options(options)
        assert SECRET in repr([(each.target, each.headers) for each in plan.asks])
        assert "POST /x?token=…  (a.har)" in render_plan(plan)
        assert SECRET not in repr((plan, options, parse_har(har, "a.har"))) + str(render_plan(plan))

    @pytest.mark.parametrize(
        ("content", "said"),
        [(None, "cannot read a.http: No such file"), (b"\xff", "UTF-8"), (b"", "give another")],
    )
    def test_a_file_that_cannot_be_used_is_one_line(
        self, content: bytes | None, said: str, tmp_path: Path
    ) -> None:
        if content is not None:
            (tmp_path / "a.http").write_bytes(content)
        with pytest.raises(UserError, match=said) as caught:
            check_options(RequestOptions(app_dir=tmp_path, requests_file=Path("a.http")))
        assert "\n" not in str(caught.value)

    def test_a_host_without_a_file_and_a_load_that_is_no_files_are_refused(
        self, tmp_path: Path
    ) -> None:
        with pytest.raises(UserError, match="--from-host needs"):
            check_options(RequestOptions(from_host="a"))
        (tmp_path / "a.txt").write_text("GET /a\n")
        options = RequestOptions(drive="none", app_dir=tmp_path, requests_file=Path("a.txt"))
        with pytest.raises(UserError, match="--drive none takes no --request"):
            check_options(options)


LINES = st.sampled_from(
    ["###", "GET /a", "POST http://h/{{a}}", "@a = {{b}}", "@b = {{a}}{{a}}", "", "A: b", "< x",
     "{{", "}}", "@x", "> {%", "%}", "WEBSOCKET ws://h", "GET http://[", "\t?a", "# c"]
) | st.text(max_size=20)  # fmt: skip
ANY_HAR = st.recursive(
    st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["http://a/b", "ws://["]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["log", "entries", "request", "method", "url", "headers", "name", "value",
                         "postData", "text", "params", "_webSocketMessages", "type", "data"]),
        inner, max_size=5,
    ),
    max_leaves=20,
)  # fmt: skip


def check_plan(parse: Callable[[], tuple[FileRequest, ...]]) -> None:
    problem = ""
    try:
        plan = plan_file(parse(), "a", ALL, None)
    except UserError as error:
        plan, problem = RequestPlan(), str(error)
    assert "\n" not in problem
    for ask in plan.asks:
        assert ask.target.startswith("/")
        assert not ask.target.startswith("//")
        assert ask.target.isascii()
        assert all(value.isprintable() for pair in ask.headers for value in pair)
    assert all(line.isprintable() for line in render_plan(plan))


@given(st.lists(LINES, max_size=12).map("\n".join))
def test_any_text_is_planned_or_refused_in_one_line(text: str) -> None:
    check_plan(lambda: parse_http_file(text, HERE / "a.http"))
    check_plan(lambda: parse_targets(text, HERE / "a.txt"))


@given(st.lists(st.fixed_dictionaries({"request": ANY_HAR}), max_size=3) | ANY_HAR)
def test_any_json_is_an_archive_or_refused_in_one_line(entries: object) -> None:
    content = json.dumps({"log": {"entries": entries}}).encode()
    check_plan(lambda: parse_har(content, "a.har"))


@pytest.mark.parametrize(
    "line",
    [
        f"GET http://user:{SECRET}@h:99x/a",
        f"Authorization: Bearer {SECRET}",
        f'curl -H "Authorization: {SECRET}" http://h/a',
        f"GET http://h:port/#{SECRET}",
    ],
)
def test_what_is_no_address_is_not_shown(line: str) -> None:
    requests = parse_http_file(f"GET /a\n###\n{line}\n", Path("a.http"))
    plan = plan_file(requests, "a.http", GET, None)
    assert [each.route for each in plan.unasked] == ["(request 2)"]
    assert SECRET not in "".join(render_plan(plan))


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", f"{SECRET} of a body", SECRET])
def test_a_line_that_may_be_no_file_name_is_not_shown(name: str) -> None:
    text = f"GET /a\n###\nPOST /b\n\n< {name}\n"
    requests = parse_http_file(text, HERE / "a.http")
    (unasked,) = plan_file(requests, "a.http", ALL, None).unasked
    assert "its body file" in unasked.reason
    assert name not in unasked.reason


def test_a_damaged_entry_of_an_archive_is_named_and_the_others_are_asked() -> None:
    good = {"request": {"method": "GET", "url": "http://a/items"}}
    bad = {"request": {"method": "GET", "url": 7}}
    content = json.dumps({"log": {"entries": [bad, good]}}).encode()
    plan = plan_file(parse_har(content, "a.har"), "a.har", frozenset({"GET"}), None)
    assert [each.target for each in plan.asks] == ["/items"]
    (unasked,) = plan.unasked
    assert unasked.reason == "log.entries.0.request.url is invalid"
