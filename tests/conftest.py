"""For all tests: laws are not timed. A busy machine is no finding; each test has its own limit of
60 s against hanging (pyproject.toml)."""

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.load_profile("here")
