from hypothesis import given
from hypothesis import strategies as st

from records.ids import (
    CELL_UNIT,
    MOST_REQUESTS,
    PROCESS_UNIT,
    format_id_header,
    make_first_id,
    make_next_id,
)


@given(st.integers(0, 65535), st.integers(0, 255), st.integers(0, (1 << 20) - 1))
def test_an_id_tells_cell_and_process_and_fits_16_digits(
    cell: int, process: int, user: int
) -> None:
    request_id = make_next_id(make_first_id(cell, process, user))
    assert request_id // CELL_UNIT == cell
    assert request_id // PROCESS_UNIT % 256 == process
    assert len(format_id_header(request_id)) == 16
    assert int(format_id_header(request_id), 16) == request_id


def test_the_count_goes_round_within_its_user() -> None:
    first = make_first_id(1, 2, 3)
    assert make_next_id(first + MOST_REQUESTS - 1) == first
