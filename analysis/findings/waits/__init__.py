"""Findings about waits for a thread, and about code that holds the threads."""
