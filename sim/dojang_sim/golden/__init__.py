"""Numpy models of the hardware, built from docs/reference/numerics.md alone."""
