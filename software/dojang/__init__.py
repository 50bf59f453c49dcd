"""Checkpoints, image layout, program compiler, driver and command line."""
