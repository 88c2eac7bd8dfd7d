"""The fault matrix: what is planted, in which phase, and what must come of it (table.toml)."""
