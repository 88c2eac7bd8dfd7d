"""A module that is slow to import; the first request that needs it imports it."""

from __future__ import annotations

import time

from truth import measure

with measure("import"):
    time.sleep(0.4)  # blocks: import

ANSWER = 42
