"""The numbers of processes in the tables.

Two processes can have the same pid: each container has a process 1, and the system reuses numbers.
"""

PID_UNIT = 1 << 22
"""Linux has no pid from here on; other systems count less far."""
MOST_PER_PID = 1 << 9
"""So that each number fits 32 bits with a sign, as polars reads it."""


def make_process_id(pid: int, place: int) -> int:
    """Return a number of its own for each of the processes with this pid. place: from 0, below
    MOST_PER_PID; the first process keeps its pid."""
    return pid + place * PID_UNIT


def get_pid(process_id: int) -> int:
    """Return the pid to show."""
    return process_id % PID_UNIT
