"""Valid values of waitms, and safe output of an invalid one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slow_upstream.checks import parse_fraction, parse_wait_ms, parse_whole_number, quote_value

HARMFUL = set("\"&'<>\\`")


@given(st.integers(0, 60_000), st.integers(0, 6))
def test_plain_numbers_up_to_a_minute_are_taken(wait_ms: int, zeros: int) -> None:
    assert parse_wait_ms(f"waitms={'0' * zeros}{wait_ms}".encode(), 7) == wait_ms


@pytest.mark.parametrize("query", [b"", b"other=1", b"WAITMS=5", b"%77aitms=5", b"&&", b"=5"])
def test_without_waitms_the_default_holds(query: bytes) -> None:
    assert parse_wait_ms(query, 1234) == 1234


@given(st.binary(max_size=80).filter(lambda value: b"&" not in value))
def test_anything_else_is_refused_with_its_value_and_the_range(value: bytes) -> None:
    if value.isdigit() and int(value) <= 60_000:
        return
    with pytest.raises(ValueError) as refusal:
        parse_wait_ms(b"a=1&waitms=" + value, 1000)
    given = quote_value(value.decode("latin-1"))
    words = f"waitms must be one whole number from 0 to 60000, not {given}"
    assert str(refusal.value) == words


def test_a_number_beyond_pythons_digit_limit_is_refused_like_any_other() -> None:
    with pytest.raises(ValueError, match=r'not "9{37}[.]{3}"$'):
        parse_whole_number("9" * 5000, 10)


@given(st.text(max_size=200), st.integers(3, 60))
def test_what_is_shown_is_short_and_harmless(text: str, limit: int) -> None:
    inside = quote_value(text, limit)[1:-1]
    assert len(inside) <= limit
    assert inside.isascii()
    assert inside == "" or inside.isprintable()
    assert not HARMFUL & set(inside)


def test_a_value_that_fits_is_shown_whole() -> None:
    assert quote_value("x" * 40) == f'"{"x" * 40}"'
    assert quote_value("x" * 41) == f'"{"x" * 37}..."'


@pytest.mark.parametrize("text", ["0", "1", "0.25", "1.0"])
def test_shares(text: str) -> None:
    assert parse_fraction(text) == float(text)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-0.1", "1.01", "1e-3", ".5", "1_0", "٠"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="from 0 to 1, not"):
        parse_fraction(text)
