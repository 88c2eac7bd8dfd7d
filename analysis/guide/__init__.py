"""Texts for people, each figure of which comes from a recorded run."""
