"""Summaries of cells, of runs, and of runs compared with each other."""
