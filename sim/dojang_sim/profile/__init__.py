"""What the simulated chip does, cycle by cycle: taps on its signals, and the record they leave."""

from .record import Record, Signal, read_record
from .taps import CHANNEL_TAPS, MEMORY_TAPS, NODE_TAPS, WINDOW, Kind, Place, Tap, chip_taps

__all__ = ["CHANNEL_TAPS", "MEMORY_TAPS", "NODE_TAPS", "WINDOW", "Kind", "Place", "Record", "Signal", "Tap",
           "chip_taps", "read_record"]
