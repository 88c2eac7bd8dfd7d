"""Guidance, advice and workshop: texts whose figures all come from recorded runs."""
