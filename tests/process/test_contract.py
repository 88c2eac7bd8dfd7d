"""One contract (peers/README.md) for FastAPI, Axum and gin: the same requests to all."""

import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.databases import ITEMS, TASKS, USERS
from tests.process.contract_support import (
    CONTRAST_AT,
    CPU_AT,
    LISTS_AT,
    MOST_BYTES,
    NO_JSON,
    NO_NUMBERS,
    PEERS,
    POOL,
    TASKS_AT,
    USERS_AT,
    Servers,
    Site,
    check_bodies,
    check_limits,
    check_methods,
    name_of,
    servers_of,
)

pytestmark = [pytest.mark.slow, pytest.mark.untimed, pytest.mark.timeout(120)]
FEW = settings(max_examples=25)
TEXTS = st.characters(exclude_categories=["Cs"])
STORED = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(TEXTS)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(TEXTS), inner), max_leaves=12
)
OUTSIDE = st.integers(max_value=0) | st.integers(min_value=101)
INJECTION = "'); DROP TABLE tasks; DROP TABLE items; --"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers_of(tmp_path_factory.mktemp("contract")) as all_of_them:
        yield all_of_them


@pytest.fixture(scope="module", params=USERS_AT, ids=name_of)
def users(request: pytest.FixtureRequest, servers: Servers) -> Site:
    return servers.site(*request.param)


@pytest.fixture(scope="module", params=TASKS_AT, ids=name_of)
def tasks(request: pytest.FixtureRequest, servers: Servers) -> Site:
    return servers.site(*request.param)


@pytest.fixture(scope="module", params=CONTRAST_AT, ids=name_of)
def contrast(request: pytest.FixtureRequest, servers: Servers) -> Site:
    return servers.site(*request.param)


@pytest.fixture(scope="module", params=LISTS_AT, ids=name_of)
def lists(request: pytest.FixtureRequest, servers: Servers) -> Site:
    return servers.site(*request.param)


@pytest.fixture(scope="module", params=CPU_AT, ids=name_of)
def cpu(request: pytest.FixtureRequest, servers: Servers) -> Site:
    return servers.site(*request.param)


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_users_are_the_first_so_many(users: Site, servers: Servers) -> None:
    with psycopg.connect(servers.database_url) as connection:
        rows = connection.execute(
            "SELECT user_id, name, email, karma, active FROM users ORDER BY user_id LIMIT 100"
        ).fetchall()
    keys = ("user_id", "name", "email", "karma", "active")
    expected = [dict(zip(keys, row, strict=True)) for row in rows]
    assert users.get("").ok() == expected
    for limit in (1, 99, 100):
        assert users.get(f"?limit={limit}").ok() == expected[:limit]
    assert users.get("?other=1").ok() == expected
    check_limits(users)
    check_methods(users, "", ("POST", "DELETE", "PUT"))


@FEW
@given(limit=OUTSIDE)
def test_no_limit_beyond_1_to_100_is_taken(lists: Site, limit: int) -> None:
    lists.get(f"?limit={limit}").refused(422)


@FEW
@given(limit=st.integers(1, 100))
def test_every_limit_from_1_to_100_gives_as_many_rows(lists: Site, limit: int) -> None:
    assert min(USERS, TASKS, ITEMS) > 100
    found = lists.get(f"?limit={limit}").ok()
    assert len(found if isinstance(found, list) else found["items"]) == limit


def test_the_pages_of_tasks_hold_every_task_once_and_in_order(
    tasks: Site, servers: Servers
) -> None:
    with psycopg.connect(servers.database_url) as connection:
        rows = connection.execute("SELECT task_id, title, done FROM tasks ORDER BY 1").fetchall()
    expected = [{"task_id": row[0], "title": row[1], "done": row[2]} for row in rows]
    assert len(tasks.get("").ok()["items"]) == 25
    for limit in (7, 99, 100):
        found: list[object] = []
        query: str | None = f"?limit={limit}"
        while query is not None:
            page = tasks.get(query).ok()
            assert set(page) == {"items", "next"}
            assert len(page["items"]) == limit or page["next"] is None
            found += page["items"]
            query = page["next"] and f"?limit={limit}&after={page['next']}"
        assert found == expected
    # A page that ends with the last task has no next page, even if it is full.
    before_last = cursor_of(str(rows[-3][0]))
    assert tasks.get(f"?limit=2&after={before_last}").ok() == {"items": expected[-2:], "next": None}
    for beyond in (rows[-1][0], 2**63 - 1):
        page = tasks.get(f"?after={cursor_of(str(beyond))}").ok()
        assert page == {"items": [], "next": None}
    assert tasks.get(f"?limit=1&after={cursor_of('0')}").ok()["items"] == expected[:1]


def test_a_cursor_of_ones_own_making_is_refused(tasks: Site) -> None:
    numbers = (
        "-1",
        "+1",
        "01",
        "1.0",
        "1e1",
        " 1",
        "1\n",
        "1_0",
        "",
        "x",
        "٣",
        str(2**63),
        "9" * 99,
    )
    spellings = ("MjU=", "MjV", "MjU%0A", "%20MjU", "M", "Mj+U", "a/b", "%C3%A9", "%00", "x" * 2000)
    for after in (*map(cursor_of, numbers), *spellings):
        tasks.get(f"?after={after}").refused(422)


@FEW
@given(after=st.text(TEXTS, max_size=12))
def test_a_cursor_is_a_tasks_own_or_refused(tasks: Site, after: str) -> None:
    answer = tasks.get(f"?limit=1&after={quote(after, safe='')}")
    if answer.status == 200:  # a made-up cursor may be valid
        number = base64.urlsafe_b64decode(after + "=" * (-len(after) % 4)).decode()
        assert cursor_of(str(int(number))) == after
    else:
        answer.refused(422)


def test_what_no_task_can_be_made_of_is_refused(tasks: Site, servers: Servers) -> None:
    check_limits(tasks)
    check_methods(tasks, "", ("PUT", "DELETE", "PATCH"))
    before = count_of(servers.database_url)
    for title in ("", "x" * 201, "😀" * 201, "a\0b", None, 1, True, ["a"], {"a": "a"}):
        tasks.post("", {"title": title}).refused(422)
    for done in (None, 0, 1, "true", "", ["a"], 1.0):
        tasks.post("", {"title": "a", "done": done}).refused(422)
    for wrong in ({}, {"done": True}, {"TITLE": "a"}, {"task": {"title": "a"}}):
        tasks.post("", wrong).refused(422)
    for number in (b"1e400", b"NaN", b"-Infinity"):
        tasks.ask("POST", "", b'{"title": %s}' % number).refused(422)
    assert count_of(servers.database_url) == before
    check_bodies(tasks, "", {"title": "a task"})
    assert count_of(servers.database_url) == before + 1


def count_of(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT count(*) FROM tasks").fetchone()
    assert row is not None
    return int(row[0])


@FEW
@given(title=st.text(STORED, min_size=1, max_size=200), done=st.booleans())
def test_a_task_comes_back_as_it_was_sent(tasks: Site, title: str, done: bool) -> None:
    made = tasks.post("", {"title": title, "done": done, "task_id": -1}).ok(201)
    assert made == {"task_id": made["task_id"], "title": title, "done": done}
    before = cursor_of(str(made["task_id"] - 1))
    assert tasks.get(f"?after={before}").ok() == {"items": [made], "next": None}


def test_a_task_has_its_longest_title_and_is_not_done_unless_said(tasks: Site) -> None:
    for title in ("x" * 200, "😀" * 200, INJECTION, " ", "\n", "$1", "%s", "\\", '"', "null"):
        made = tasks.post("", {"title": title}).ok(201)
        assert (made["title"], made["done"]) == (title, False)
        before = cursor_of(str(made["task_id"] - 1))
        assert tasks.get(f"?limit=1&after={before}").ok()["items"] == [made]


def test_hello_and_health(contrast: Site) -> None:
    hello = contrast.get("/").ok()
    assert set(hello) == {"message", "server"}
    assert hello["message"] == "hello"
    assert hello["server"] in (*PEERS, "fastapi")
    assert contrast.get("/health").ok() == {"status": "ok", "database": "ok"}
    for path in ("/", "/health"):
        check_methods(contrast, path, ("POST", "DELETE", "PUT"))
    for path in ("/health/", "/db", "/db/items/", "/db/items/1", "/stress/cpu", "/stress/cpu/1/"):
        contrast.get(path).refused(404)


@settings(FEW, max_examples=60)
@given(value=VALUES)
def test_an_echo_says_what_came(contrast: Site, value: object) -> None:
    for body in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        sent = body.encode()
        assert contrast.ask("POST", "/echo", sent).ok() == {"echo": value, "bytes": len(sent)}


def test_an_echo_of_what_is_no_value_or_too_long_is_refused(contrast: Site) -> None:
    most = json.dumps("x" * (MOST_BYTES - 2)).encode()
    for good in (most, b" " * (MOST_BYTES - 1) + b"1", str(10**300 + 1).encode(), b"-1"):
        expected = {"echo": json.loads(good), "bytes": len(good)}
        assert contrast.ask("POST", "/echo", good).ok() == expected
        # Two requests on one connection: nothing of the first is left in the second.
        assert contrast.ask("POST", "/echo", iter([good[:1], good[1:]])).ok() == expected
    for key in ("$serde_json::private::Number", "$serde_json::private::RawValue", "__proto__"):
        assert contrast.post("/echo", {key: "12"}).ok()["echo"] == {key: "12"}
    nothing_at_all = [
        b'"\xff"',
        b"NaN",
        b"Infinity",
        b"01",
        b"'a'",
        b'"\n"',
        b"[1,]",
        b"\xef\xbb\xbf1",
    ]
    for bad in (*NO_JSON, *nothing_at_all, "1".encode("utf-16")):
        contrast.ask("POST", "/echo", bad).refused(422)
    for over in (most + b" ", b" " * 2_000_000):
        contrast.ask("POST", "/echo", over).refused(413)
        contrast.ask("POST", "/echo", iter([over[:9], over[9:]])).refused(413)
    check_methods(contrast, "/echo", ("GET", "PUT"))


@FEW
@given(
    text=st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/"), min_size=1, max_size=256
    )
)
def test_an_echoed_segment_says_what_came(contrast: Site, text: str) -> None:
    assert contrast.get(f"/echo/{quote(text, safe='')}").ok() == {"echo": text}


def test_a_segment_has_1_to_256_characters(contrast: Site) -> None:
    for text in ("x" * 256, "😀" * 256):
        assert contrast.get(f"/echo/{quote(text)}").ok() == {"echo": text}
        contrast.get(f"/echo/{quote(text + 'x')}").refused(422)
    assert contrast.get("/echo/a+b;c=d?e=f").ok() == {"echo": "a+b;c=d"}
    for path in ("/echo/", "/echo/a/", "/echo/a/b", "//echo/a"):
        contrast.get(path).refused(404)
    check_methods(contrast, "/echo/a", ("POST", "DELETE"))


def test_items_are_listed_from_the_first(contrast: Site) -> None:
    expected = [{"item_id": i, "name": f"Item {i}", "price_cents": 25 * i} for i in range(1, 101)]
    assert contrast.get("/db/items").ok() == {"items": expected[:25]}
    for limit in (1, 100):
        assert contrast.get(f"/db/items?limit={limit}").ok() == {"items": expected[:limit]}
    check_limits(contrast, "/db/items")
    check_methods(contrast, "/db/items", ("PUT", "DELETE"))


@FEW
@given(name=st.text(STORED, min_size=1, max_size=100), price=st.integers(0, 1_000_000_000))
def test_an_item_is_stored_as_it_was_sent(
    contrast: Site, servers: Servers, name: str, price: int
) -> None:
    sent = {"name": name, "price_cents": price}
    made = contrast.post("/db/items", {**sent, "item_id": -1}).ok(201)
    assert made == {"item_id": made["item_id"], **sent}
    assert stored_item(servers.sqlite, made["item_id"]) == (name, price)


def stored_item(path: Path, item_id: int) -> object:
    with closing(sqlite3.connect(path)) as connection:
        question = "SELECT name, price_cents FROM items WHERE item_id = ?"
        return connection.execute(question, (item_id,)).fetchone()


def test_what_no_item_can_be_made_of_is_refused(contrast: Site, servers: Servers) -> None:
    for name in ("x" * 100, "😀" * 100, INJECTION):
        made = contrast.post("/db/items", {"name": name, "price_cents": 10**9}).ok(201)
        assert stored_item(servers.sqlite, made["item_id"]) == (name, 10**9)
    for bad_name in ("", "x" * 101, "😀" * 101, "a\0b", None, 1, True, ["a"], {"a": "a"}):
        contrast.post("/db/items", {"name": bad_name, "price_cents": 1}).refused(422)
    for price in (-1, 10**9 + 1, 10**30, 250.0, 1.5, "250", "", True, None, [1], {"a": 1}):
        contrast.post("/db/items", {"name": "a", "price_cents": price}).refused(422)
    for number in (b"1e400", b"1e2", b"NaN", b"+1", b"01", b"1_0", b"0x1"):
        body = b'{"name": "a", "price_cents": %s}' % number
        contrast.ask("POST", "/db/items", body).refused(422)
    for wrong in ({}, {"name": "a"}, {"price_cents": 1}, {"Name": "a", "price_cents": 1}):
        contrast.post("/db/items", wrong).refused(422)
    check_bodies(contrast, "/db/items", {"name": "an item", "price_cents": 0})


def generated(n: int) -> int:
    """Written as in the contract."""
    r = 1
    for _ in range(n):
        r = (r * 1_103_515_245 + 12_345) % 2**31
    return r


def test_all_generate_the_same_numbers(cpu: Site) -> None:
    for n in (1, 2, 3, 1000, 100_000):
        assert cpu.get(f"/{n}").ok() == {"n": n, "result": generated(n)}
    for wrong in ("0", "-1", "10000001", *filter(None, NO_NUMBERS)):
        cpu.get(f"/{wrong}").refused(422)
    check_methods(cpu, "/1", ("POST", "DELETE"))


def test_ten_million_steps_are_the_most(cpu: Site) -> None:
    """The result follows from the steps' affine form, squared again and again."""
    a, b, power, n = 1, 0, (1_103_515_245, 12_345), 10_000_000
    for bit in reversed(f"{n:b}"):
        if bit == "1":
            a, b = a * power[0] % 2**31, (a * power[1] + b) % 2**31
        power = (power[0] ** 2 % 2**31, (power[0] + 1) * power[1] % 2**31)
    assert cpu.get(f"/{n}").ok() == {"n": n, "result": (a + b) % 2**31}


def test_memory_is_taken_page_by_page(contrast: Site) -> None:
    for mb in (1, 7, 256):
        assert contrast.get(f"/stress/memory/{mb}").ok() == {"mb": mb, "pages": mb * 256}
    for wrong in ("0", "-1", "257", *filter(None, NO_NUMBERS)):
        contrast.get(f"/stress/memory/{wrong}").refused(422)
    check_methods(contrast, "/stress/memory/1", ("POST", "DELETE"))


def test_a_pool_is_used_by_more_than_it_has_places(servers: Servers) -> None:
    """Runs last: no failed request of the tests above may still occupy a place in a pool."""
    for program, path in (*USERS_AT, *TASKS_AT):
        site = servers.site(program)
        for _ in range(2 * POOL):
            assert site.get(path).status == 200
