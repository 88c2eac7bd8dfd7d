"""Benchmarks: most print ratios from one run, as medians of alternating rounds."""
