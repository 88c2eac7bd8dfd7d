"""Measured data: row schemas, the journal decoder, and run directories."""
