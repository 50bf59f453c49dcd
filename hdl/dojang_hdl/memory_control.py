"""How a host reaches the controller and the PHY of a board's memory (no Amaranth here). docs/reference/litedram.md."""

from enum import IntEnum

__all__ = ["CONTROL_WINDOW", "ENTRIES", "ENTRY", "IDENTITY", "KINDS", "LEVELS", "MAGIC", "MemoryControl", "STATUS",
           "TIMER_BITS", "WINDOW_BITS"]

CONTROL_WINDOW = 3 << 30
"""Word addresses from which on a memory has these registers; a guard lets them through."""

MAGIC = 0xD7A3

KINDS = ("ddr3", "sdr")

ENTRIES = 12
"""Most entries of an initialisation."""


class MemoryControl(IntEnum):
    """Word address of a register within the window. The value is in the lowest 32 bits; the others are undefined.

    Strobes act when anything is written. A DFI command is ADDRESS, BANK, COMMAND and ISSUE, written in a row.
    """

    IDENTITY = 0            # read-only: `IDENTITY`
    LEVELS = 1              # read-only: `LEVELS`
    WORDS = 2               # read-only: size of the memory
    CLOCK_KHZ = 3           # read-only: of the core
    STATUS = 4              # `STATUS`
    TIMER = 5               # cycles left, counts down to 0
    DFI_CONTROL = 8         # bit 0: the controller drives the memory, not these registers; 1: CKE; 2: ODT; 3: RESET_N
    DFI_ADDRESS = 9
    DFI_BANK = 10
    DFI_COMMAND = 11        # bit 0: CS; 1: WE; 2: CAS; 3: RAS
    DFI_ISSUE = 12          # strobe
    LANES = 16              # byte lanes that the following registers act on; their reads are wrong while selected
    DELAY_RESET = 17        # strobe
    DELAY_STEP = 18         # strobe
    BITSLIP_RESET = 19      # strobe
    BITSLIP_STEP = 20       # strobe
    BURST_CLEAR = 21        # strobe
    BURST_SEEN = 22         # read-only: lanes where a read's strobe came when expected, since BURST_CLEAR
    SEQUENCE = 32           # read-only: step i of the initialisation, `ENTRY` at 2i and a delay in cycles at 2i + 1


WINDOW_BITS = 6
"""Bits of the address that are looked at."""

IDENTITY = (("magic", 16), ("kind", 4), ("lanes", 4), ("entries", 8), ("pad", 96))
"""``kind``: of `KINDS`; ``lanes``: bytes of a transfer; ``entries``: of the initialisation."""

LEVELS = (("delays", 8), ("bitslips", 8), ("settle", 16), ("pad", 96))
"""``delays``, ``bitslips``: settings of a lane, 0 if there are none; ``settle``: cycles from giving the memory back to
the controller to the first access, after which it has closed all rows.
"""

STATUS = (("initialised", 1), ("error", 1), ("pad", 126))
"""Set by the host; lights the board's LED and blocks nothing."""

TIMER_BITS = 20

ENTRY = (("address", 16), ("bank", 4), ("control", 4), ("command", 4), ("pad", 100))
"""One step: ``control`` is for DFI_CONTROL if ``command`` is 0, else a command."""
