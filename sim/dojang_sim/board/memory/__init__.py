"""Models of the memories of boards: DDR3 at LiteDRAM's DFI, SDR SDRAM at its pins."""

from pathlib import Path

from dojang_sim.memory import SOURCES as IMAGE_SOURCES

__all__ = ["DDR3_SOURCES", "SDR_SOURCES", "SOURCES"]

_HERE = Path(__file__).parent

_IMAGE = tuple(path for path in IMAGE_SOURCES if path.suffix == ".cpp")

DDR3_SOURCES = (_HERE / "ddr3_phy.v", _HERE / "windows.cpp", *_IMAGE)
SDR_SOURCES = (_HERE / "sdr_chip.v", *_IMAGE)
"""What a Verilator build needs besides the core's Verilog."""

SOURCES = tuple(dict.fromkeys((*DDR3_SOURCES, *SDR_SOURCES)))
