from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from records.ids import CELL_UNIT, PROCESS_UNIT, format_id_header, generate_ids


@given(st.integers(0, 65535), st.integers(0, 255))
def test_an_id_tells_cell_and_process_and_fits_16_digits(cell: int, process: int) -> None:
    for request_id in islice(generate_ids(cell, process), 2):
        assert request_id > 0
        assert request_id // CELL_UNIT == cell
        assert request_id // PROCESS_UNIT % 256 == process
        assert len(format_id_header(request_id)) == 16
        assert int(format_id_header(request_id), 16) == request_id
