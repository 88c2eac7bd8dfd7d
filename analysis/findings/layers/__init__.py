"""Findings about middleware, and about work after the response."""
