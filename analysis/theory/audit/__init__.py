"""Predictions for an audited service: with a code change, or with more users."""
