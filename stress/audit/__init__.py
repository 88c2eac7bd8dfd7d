"""Audits the user's own service: starts it with the probe and sends it requests."""
