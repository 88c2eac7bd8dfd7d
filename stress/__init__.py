"""Runs the measurements: plans, process supervision, load users. It summarizes nothing."""
