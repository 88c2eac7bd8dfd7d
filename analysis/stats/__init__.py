"""Statistics that know nothing of web servers: quantiles, intervals, survival, steady state."""
