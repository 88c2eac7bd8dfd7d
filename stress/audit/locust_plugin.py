"""Records each request of a user's locustfile. Locust's process loads this file next to the user's.
It imports no module of this project, since the user's modules may have the same names.

Each request gets an x-study-request-id for the probe, and one JSON line: user, id, method, name,
began, ended or null, status or null, error or null, bytes. Times are time.monotonic(). No query,
header or body is recorded.
"""

import itertools
import json
import os
import random
import time
from typing import Any

from locust import events
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession

ROWS_VARIABLE = "STUDY_AUDIT_ROWS"
EPOCH_S = time.monotonic() - time.time()
ID_KEY, USER_KEY = "study_request_id", "study_user"

rows = open(os.environ[ROWS_VARIABLE], "a", buffering=1, encoding="utf-8")  # noqa: PTH123, SIM115 - until the end
cell = random.getrandbits(16) << 48
counts = itertools.count(1)
users: dict[int, int] = {}


def add_request_id(session_class: type) -> None:
    send = session_class.request  # type: ignore[attr-defined]

    def request(self: object, method: str, url: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        request_id = cell | next(counts)
        headers = dict(kwargs.pop("headers", None) or {})
        headers["x-study-request-id"] = f"{request_id:016x}"
        user = users.setdefault(id(self), len(users))
        context = {**kwargs.pop("context", {}), ID_KEY: request_id, USER_KEY: user}
        return send(self, method, url, *args, headers=headers, context=context, **kwargs)

    session_class.request = request  # type: ignore[attr-defined]


add_request_id(HttpSession)
add_request_id(FastHttpSession)


def record_request(**meta: Any) -> None:  # noqa: ANN401 - as Locust passes it
    """Write the row of an HTTP request; skip other protocols, whose requests have no id."""
    context = meta.get("context") or {}
    if ID_KEY not in context:
        return
    response = meta.get("response")
    began_s = meta["start_time"] + EPOCH_S
    status = getattr(response, "status_code", None) or None
    cause = getattr(response, "error", None) or meta.get("exception")
    error = None if cause is None else type(cause).__name__
    is_timeout = status is None and error is not None and "timeout" in error.lower()
    row = (
        context[USER_KEY],
        context[ID_KEY],
        str(meta["request_type"]),
        str(meta["name"]).partition("?")[0],
        began_s,
        None if is_timeout else began_s + meta["response_time"] / 1000,
        status,
        "timeout" if is_timeout else error,
        int(meta.get("response_length") or 0),
    )
    rows.write(json.dumps(row) + "\n")


events.request.add_listener(record_request)
