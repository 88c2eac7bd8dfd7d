"""Measurements of a cell, computed from its tables."""
