"""The command line `study`: the only package that uses both `stress` and `analysis`."""

__version__ = "0.2.0"
