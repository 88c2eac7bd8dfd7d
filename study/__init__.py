"""The command line `study`: the one place where running and judging meet."""
