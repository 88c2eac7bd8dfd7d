"""The command line `study`: the one place where running and judging meet."""

__version__ = "0.2.0"
