"""For all tests: Hypothesis has no deadline, because a busy machine is not a failure. Each test has
its own limit of 60 s against hanging (pyproject.toml)."""

import os

import pytest
from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.load_profile("here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the rows of the fault matrix that only `sh tests/run.sh --faults` runs."""
    if os.environ.get("STUDY_FAULTS"):
        return
    left_out = [each for each in items if each.get_closest_marker("faults")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [each for each in items if each not in left_out]
