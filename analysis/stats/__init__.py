"""Statistics independent of web servers: quantiles, intervals, survival, steady state."""
