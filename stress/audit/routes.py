"""Finds the route of a path in the app's document."""

from functools import lru_cache

from stress.audit.ask import Templates
from stress.audit.example_values import Node
from stress.audit.fill_operation import PLACEHOLDER
from stress.audit.openapi import list_operations


def list_templates(document: Node, base: str) -> Templates:
    found = ((each.method, each.route) for each in list_operations(document, base))
    return tuple(sorted(found, key=lambda each: len(PLACEHOLDER.findall(each[1]))))


@lru_cache(maxsize=10_000)
def find_route(method: str, path: str, templates: Templates) -> str:
    """Return the route's template, or the path itself if none fits."""
    fitting = (route for of, route in templates if of == method and does_fit(route, path))
    return next(fitting, path)


def does_fit(template: str, path: str) -> bool:
    """Return True if the path fits; a placeholder matches one segment, or a part of one."""
    pieces, segments = PLACEHOLDER.sub("{}", template).split("/"), path.split("/")
    return len(pieces) == len(segments) and all(map(does_segment_fit, pieces, segments))


def does_segment_fit(template: str, segment: str) -> bool:
    """Return True if the segment fits. Without steps back, which a regular expression would take:
    each fixed text is where it is first."""
    first, *others = template.split("{}")
    if not others:
        return segment == template
    if not segment.startswith(first):
        return False
    at, last = len(first), others.pop()
    for text in others:
        at = segment.find(text, at + 1)
        if at < 0:
            return False
        at += len(text)
    return segment.endswith(last) and at < len(segment) - len(last)
