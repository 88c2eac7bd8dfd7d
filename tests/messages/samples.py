"""Make instances of a dataclass from the types and names of its fields, so that a new verdict,
statement or finding shows its sentences without a sample of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NAMED: Mapping[str, object] = {
    "after": 120,
    "alike": (10.0, 40.0),
    "app_received": 1199,
    "asked": 60,
    "backlog": 128,
    "base": "axum",
    "before": 9,
    "begin_rate": 12.0,
    "between": (33.0, 57.0),
    "blocked_s": 30.1,
    "borrowed": 1.0,
    "busy": 40.0,
    "call": "time.sleep",
    "capacity": 40.0,
    "causes": "killed by gunicorn: its event loop was blocked too long",
    "ceiling_rps": 500.0,
    "change": "give the pool one thread for each request that waits at the same time",
    "clause": "all 40 threads in the pool are busy",
    "common": "one shared client",
    "completed": 1056,
    "confidence": "high",
    "contender": "def",
    "contradictions": {"vanished": 3},
    "cores": 2,
    "cpu_ms": 19.4,
    "cpu_percent": 97.0,
    "deaths": 4,
    "detail": "Worker (pid:4242) was sent SIGABRT!",
    "difference": "a pool of 40 threads instead of 500",
    "differences": ("the client lifetime", "the number of threads"),
    "dropped": 17,
    "end_rate": 3.0,
    "engine": "oha",
    "enough": 100.0,
    "failed": 12,
    "failed_rps": 25.0,
    "failing": (("sync-http", 29, 94),),
    "file": "shop/orders.py",
    "first": 10.0,
    "function": "read_order",
    "gap_percent": 12.3,
    "generator_limit": 1900.0,
    "growth_per_s": 25.0,
    "guess": 250.0,
    "harm": ("the background requests wait 38.5 s",),
    "highest": ("large JSON", 2.1),
    "in_use": 40.0,
    "keepers": 40,
    "key": "ok_rps",
    "kills": (4, 1),
    "lag_ms": 30123.0,
    "lasted_s": 10.0,
    "late_percent": 12.0,
    "lateness_p99_ms": 45.0,
    "layers_share": 0.6,
    "less": "--users 100",
    "library": "httpx",
    "limit": "users",
    "line": 57,
    "longest_work_ms": 0.4,
    "loop_ms": 3.0,
    "lost": 0.4,
    "lowest": ("ping", 0.9),
    "measured": 35.2,
    "memory_mb": 512.0,
    "most": 500.0,
    "name": "sync-http",
    "names": ("sync-http", "async-http"),
    "offered_rps": 60.0,
    "oldest_s": 31.0,
    "one_in": 100,
    "options": "--load-processes 2",
    "other_cores": 1.4,
    "overloaded_rps": 40.0,
    "parts": {"server": 1.1, "load": 0.6, "other programs": 0.2},
    "path": "/ping",
    "peak": 100.0,
    "peers": ("axum-http", "gin-http"),
    "percent": 12.0,
    "phase": "endpoint",
    "pings": 94,
    "place": "app/clients.py:57 fetch",
    "places": "40 threads in the pool",
    "pool_name": "anyio's pool",
    "predicted": 38.3,
    "processes": 4,
    "python": "3.13.0t",
    "queue": "anyio",
    "quick": ("wide-pool",),
    "quick_waits": ("12 ms",),
    "rates": (9.9, 39.6, 99.0),
    "ratio": 1.4,
    "ratios": (0.945, 0.157),
    "reason": "interrupted by the user",
    "reference_cpu_ms": 0.9,
    "reference_value": "40 threads",
    "requests": 600,
    "route": "/orders/{id}",
    "rps": 35.2,
    "seconds": 4.2,
    "sent": 1202,
    "setter": "starlette.middleware.gzip",
    "setting": "pool",
    "shared_cpu_ms": 0.9,
    "shares": ((0.5, 12.0, 40.0), (0.9, 55.0, 310.0)),
    "silent_s": 8.0,
    "size": 40,
    "slow": ("full-pool",),
    "slow_waits": ("2.4 s",),
    "slowest_s": 14.6,
    "start": 100.0,
    "starved": 304,
    "stolen_cores": 0.3,
    "stood": 160,
    "subjects": 8,
    "sustained_rps": 35.0,
    "threads": 41,
    "throttled_cores": 0.4,
    "timeout_s": 30.0,
    "times": 3,
    "tokens": 5.0,
    "trials": 5,
    "unanswered": 304,
    "unfinished": 320,
    "unit": "thread",
    "unwarmed": 210,
    "used": 1.98,
    "users": 500,
    "users_seen": 435.0,
    "users_seen_exactly": 438.0,
    "value": "500 threads",
    "values": (10.0, 40.0, 100.0),
    "waited_s": 12.0,
    "waits_for": "a lock",
    "whose": "httpcore's connection pool",
    "whose_percent": 71.0,
    "wild": ("async-http",),
    "window_s": 0.4,
    "words": "Throughput of sync-http",
    "work_us": 8.0,
    "workers": 2,
}
"""By a field's name, where its type alone would make nonsense. A value whose type does not fit the
field is not used."""
NUMBERS: Mapping[str, float] = {"_ms": 850.0, "_s": 12.5, "_rps": 487.0, "_share": 0.37}
MOST_VARIANTS = 4


def make_samples(kind: type, **known: object) -> Iterator[Any]:
    """Yield an instance of the dataclass, then one for each other value that one of its fields can
    have by its type: each literal, both booleans, None. `known` overrides a field."""
    hints = get_type_hints(kind)
    first = {
        each.name: known.get(each.name, make_value(hints[each.name], each.name))
        for each in fields(kind)
        if each.name in known or each.default is MISSING or is_plain(hints[each.name])
    }
    yield kind(**first)
    for name in first:
        for other in list_alternatives(hints[name], first[name]):
            yield kind(**(first | {name: other}))


def list_alternatives(hint: object, used: object) -> tuple[object, ...]:
    options = get_args(hint) if is_union(hint) else (hint,)
    found: list[object] = []
    for option in options:
        if get_origin(option) is Literal:
            found.extend(get_args(option))
        elif option is bool:
            found.extend((False, True))
        elif option is NoneType:
            found.append(None)
    return tuple(each for each in found if each != used)


def make_value(hint: object, name: str) -> object:
    """One value of that type; TypeError for a type that is not known here."""
    if is_union(hint):
        hint = next(each for each in get_args(hint) if each is not NoneType)
    if name in NAMED and fits(NAMED[name], hint):
        return NAMED[name]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return arguments[0]
    if origin is tuple:
        few = arguments[:1] * 2 if arguments[-1] is Ellipsis else arguments
        return tuple(make_value(each, name.removesuffix("s")) for each in few)
    if is_dataclass(hint) and isinstance(hint, type):
        return next(make_samples(hint))
    if hint is bool:
        return False
    if hint in (int, float):
        suffix = next((each for each in NUMBERS if name.endswith(each)), None)
        number = NUMBERS[suffix] if suffix else 4
        return int(number) if hint is int else float(number)
    if hint is str:
        return name.replace("_", " ")
    raise TypeError(f"no sample for the type of {name}: {hint}")


def is_plain(hint: object) -> bool:
    """Return True for a number, a text or a literal, with None or without."""
    options = get_args(hint) if is_union(hint) else (hint,)
    return all(each in (bool, int, float, str, NoneType) for each in options)


def is_union(hint: object) -> bool:
    return get_origin(hint) in (Union, UnionType)


def fits(value: object, hint: object) -> bool:
    """Return True if the value is of the outermost type of the hint."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kind = get_origin(hint) or hint
    return isinstance(kind, type) and isinstance(value, int | float if kind is float else kind)
