"""Counts seconds on stderr until its standard input ends; its argument names the activity.

It is a separate process because drawing holds Python's interpreter lock for seconds, so that no
thread can count meanwhile. It imports nothing of the study and starts within milliseconds.
"""

import select
import sys
from time import monotonic

ON_A_TERMINAL_S, IN_A_LOG_S = 0.5, 8.0
COLUMNS = 79
ERASE = "\r\x1b[2K"


def count_seconds(activity: str) -> None:
    """Update one line on a terminal; print a line every IN_A_LOG_S elsewhere."""
    out, begun_s = sys.stderr, monotonic()
    every_s = ON_A_TERMINAL_S if out.isatty() else IN_A_LOG_S
    while not select.select([sys.stdin], [], [], every_s)[0]:
        line = f": {monotonic() - begun_s:.0f} s"
        if out.isatty():
            out.write(f"{ERASE}{activity[: COLUMNS - len(line)]}{line}")
        else:
            out.write(f"{activity}{line} so far\n")
        out.flush()
    if out.isatty():
        out.write(ERASE)


if __name__ == "__main__":
    count_seconds(sys.argv[1])
