"""How a host reaches the controller and the PHY of a board's memory (no Amaranth here). docs/reference/litedram.md."""

from enum import IntEnum

__all__ = ["CONTROL_WINDOW", "ENTRIES", "ENTRY", "IDENTITY", "KINDS", "MAGIC", "MemoryControl", "STATUS", "TIMER_BITS"]

CONTROL_WINDOW = 3 << 30
"""Word addresses from which on a memory has these registers; a guard lets them through."""

MAGIC = 0xD7A3

KINDS = ("ddr3", "sdr")

ENTRIES = 16
"""Most entries of an initialisation."""


class MemoryControl(IntEnum):
    """Word address of a register within the window. The value is in the lowest 32 bits, unless fields say more.

    Strobes act when anything is written. A DFI command is ADDRESS, BANK, COMMAND and ISSUE, written in a row.
    """

    IDENTITY = 0            # read-only: `IDENTITY`
    STATUS = 1              # `STATUS`
    TIMER = 2               # cycles left, counts down to 0
    DFI_CONTROL = 3         # bit 0: the controller drives the memory, not these registers; 1: CKE; 2: ODT; 3: RESET_N
    DFI_ADDRESS = 4
    DFI_BANK = 5
    DFI_COMMAND = 6         # bit 0: CS; 1: WE; 2: CAS; 3: RAS
    DFI_ISSUE = 7           # strobe
    LANES = 8               # byte lanes that the following registers act on; their reads are wrong while selected
    DELAY_RESET = 9         # strobe
    DELAY_STEP = 10         # strobe
    BITSLIP_RESET = 11      # strobe
    BITSLIP_STEP = 12       # strobe
    BURST_CLEAR = 13        # strobe
    BURST_SEEN = 14         # read-only: lanes where a read's strobe came when expected, since BURST_CLEAR
    SEQUENCE = 16           # read-only: `ENTRY`, up to `ENTRIES` of them


IDENTITY = (("magic", 16), ("kind", 4), ("lanes", 4), ("delays", 8), ("bitslips", 8), ("entries", 8), ("settle", 16),
            ("words", 32), ("clock_khz", 24), ("pad", 8))
"""``kind``: of `KINDS`; ``lanes``: bytes of a transfer; ``delays``, ``bitslips``: settings of a lane, 0 if there are
none; ``entries``: of the initialisation; ``settle``: cycles from giving the memory back to the controller to the first
access, after which it has closed all rows.
"""

STATUS = (("initialised", 1), ("error", 1), ("pad", 126))
"""Set by the host; lights the board's LED and blocks nothing."""

TIMER_BITS = 20

ENTRY = (("address", 16), ("bank", 4), ("control", 4), ("command", 4), ("pad", 4), ("delay", 32), ("rest", 64))
"""One step: ``control`` is for DFI_CONTROL if ``command`` is 0, else a command; then ``delay`` cycles."""
