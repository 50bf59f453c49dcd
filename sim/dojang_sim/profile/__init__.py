"""What the simulated chip does, cycle by cycle: taps on its signals, and the record they leave."""

from .record import PassRecord, Signal, read_record
from .taps import NODE_TAPS, PROGRAM, READERS, Kind, chip_taps

__all__ = ["NODE_TAPS", "PROGRAM", "READERS", "Kind", "PassRecord", "Signal", "chip_taps", "read_record"]
