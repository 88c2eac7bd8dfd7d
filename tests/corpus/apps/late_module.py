"""A module that takes its time, imported by the first request that needs it."""

from __future__ import annotations

import time

from truth import measure

with measure("import"):
    time.sleep(0.4)  # blocks: import

ANSWER = 42
