"""From the tables of a cell to its measured values."""
