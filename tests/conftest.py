"""For all tests: Hypothesis has no deadline, because a busy machine is not a failure. Each test has
its own limit of 60 s against hanging (pyproject.toml)."""

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.load_profile("here")
