"""Rows of middleware layers, as the probe records them."""

from tests.unit.audit_samples import FOLDER, PID, SITE

TIMING = f"{FOLDER}/timing.py:12 add_timing"
LIBRARY = f"{SITE}/shield/asgi.py:40 Shield.__call__"
Row = dict[str, object]
ENDPOINT: Row = {"layer": "endpoint", "kind": "endpoint"}


def pass_through(visit: int, at_s: float, *layers: Row) -> list[Row]:
    """Rows of a request that passes each layer at once and gets its response after 10 ms; the
    outermost layer first. Given columns of a layer replace the computed ones."""
    rows: list[Row] = []
    for depth, columns in enumerate((*layers, ENDPOINT), start=1):
        answered_s = None if depth > len(layers) else at_s + 0.01
        rows.append(
            {
                "pid": PID, "visit": visit, "route": "/items", "kind": "BaseHTTPMiddleware",
                "depth": depth, "entered_s": at_s, "inner_s": answered_s and at_s,
                "answered_s": answered_s, "passed_s": at_s + 0.01, "start_wait_s": 0.0,
                "body_s": at_s + 0.01, "sent_s": at_s + 0.01, "returned_s": at_s + 0.01,
                "client_s": 0.0,
            }
            | columns
        )  # fmt: skip
    return rows


def keep_request(visit: int, at_s: float, wait_s: float, layer: str = TIMING) -> list[Row]:
    rows = pass_through(visit, at_s + wait_s, {"layer": layer})
    rows[0] |= {"entered_s": at_s}
    return rows


def keep_answer(visit: int, at_s: float, wait_s: float) -> list[Row]:
    late_s = at_s + 0.01 + wait_s
    late: Row = dict.fromkeys(("passed_s", "body_s", "sent_s", "returned_s"), late_s)
    return pass_through(visit, at_s, {"layer": TIMING, **late})
