"""Request ids: 16 hexadecimal digits that identify the sender.

From the top: 16 bits of the cell's random number (stray requests of an earlier cell have another),
8 bits process, 20 bits user, 20 bits count. Process 255 is the bystander.
"""

CELL_UNIT = 1 << 48
PROCESS_UNIT = 1 << 40
BYSTANDER_PROCESS = 255
MOST_USERS = 1 << 20
MOST_REQUESTS = 1 << 20
"""Maximum per user; after that the count wraps."""


def make_first_id(cell_number: int, process: int, user: int) -> int:
    return (cell_number & 0xFFFF) << 48 | (process & 0xFF) << 40 | (user % MOST_USERS) << 20


def make_next_id(request_id: int) -> int:
    return request_id - request_id % MOST_REQUESTS + (request_id + 1) % MOST_REQUESTS


def format_id_header(request_id: int) -> str:
    return f"{request_id:016x}"
