"""Keeps out of waveforms what nobody named."""

import re

__all__ = ["hide_internal"]


def hide_internal(verilog: str) -> str:
    """Put an underscore before names that the synthesiser made up, which Verilator then does not trace.

    They are more than half of a waveform, and GTKWave refuses files in which such a name has a colon.
    """
    return re.sub(r"\\\$", r"\\_$", verilog)
