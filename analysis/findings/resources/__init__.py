"""Findings about objects and threads that requests create, and about settings of the process."""
