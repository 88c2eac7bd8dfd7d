"""Findings about the server: its queue, its workers, and refused requests."""
