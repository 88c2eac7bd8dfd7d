"""Verdicts: how far a cell's figures can be trusted. One class per verdict."""
