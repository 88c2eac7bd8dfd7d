"""Blocks of the event loop and their causes."""
