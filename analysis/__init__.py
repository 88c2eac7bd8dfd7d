"""What it means: statistics, figures, verdicts, tables. Touches no server."""
