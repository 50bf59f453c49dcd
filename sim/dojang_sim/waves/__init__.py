"""Waveforms of the simulated chip as GTKWave shows them best: groups, names of codes, floats as decimals."""

from .hide import hide_internal
from .save import SaveFile, write_save

__all__ = ["SaveFile", "hide_internal", "write_save"]
