"""Boards in simulation."""
