"""Request ids: 16 hexadecimal digits that identify the sender.

From the top: 16 bits of the cell's random number (stray requests of an earlier cell have another),
8 bits process, 40 bits count over all users of the process. Process 255 is the bystander.
"""

from collections.abc import Iterator
from itertools import count

CELL_UNIT = 1 << 48
PROCESS_UNIT = 1 << 40
BYSTANDER_PROCESS = 255
RequestIds = Iterator[int]
"""The ids of a process's requests, without end."""


def generate_ids(cell_number: int, process: int) -> RequestIds:
    return count(((cell_number & 0xFFFF) << 48 | (process & 0xFF) << 40) + 1)  # 0 is no id


def format_id_header(request_id: int) -> str:
    return f"{request_id:016x}"
