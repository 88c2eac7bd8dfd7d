"""Predictions before a run, by formulas and simulation. Knows scenarios, not records."""
