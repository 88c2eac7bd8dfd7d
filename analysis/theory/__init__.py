"""What theory says before anything runs: formulas and simulation. Knows scenarios, no records."""
