"""Commands as they stand on the command/address pins; truth table of JESD209-4."""

from .commands import Command

__all__ = ["encode"]

# Halves as CA0 to CA5 at both edges; L, H or the bit of an operand: R row, B bank, C column, M address and O operand of
# a mode register or MPC, AP auto-precharge, AB all banks, V and BL nothing.
HALVES = {
    "ACT-1": ("H L R12 R13 R14 R15", "B0 B1 B2 R16 R10 R11"),
    "ACT-2": ("H H R6 R7 R8 R9", "R0 R1 R2 R3 R4 R5"),
    "RD-1": ("L H L L L BL", "B0 B1 B2 V C9 AP"),
    "WR-1": ("L L H L L BL", "B0 B1 B2 V C9 AP"),
    "MWR-1": ("L L H H L BL", "B0 B1 B2 V C9 AP"),
    "CAS-2": ("L H L L H C8", "C2 C3 C4 C5 C6 C7"),
    "PRE": ("L L L L H AB", "B0 B1 B2 V V V"),
    "REF": ("L L L H L AB", "B0 B1 B2 V V V"),
    "MRW-1": ("L H H L L O7", "M0 M1 M2 M3 M4 M5"),
    "MRW-2": ("L H H L H O6", "O0 O1 O2 O3 O4 O5"),
    "MRR-1": ("L H H H L V", "M0 M1 M2 M3 M4 M5"),
    "MPC": ("L L L L L O6", "O0 O1 O2 O3 O4 O5"),
}
SHAPES = {
    Command.ACT: ("ACT-1", "ACT-2"), Command.RD: ("RD-1", "CAS-2"), Command.RDA: ("RD-1", "CAS-2"),
    Command.WR: ("WR-1", "CAS-2"), Command.WRA: ("WR-1", "CAS-2"), Command.MWR: ("MWR-1", "CAS-2"),
    Command.MWRA: ("MWR-1", "CAS-2"), Command.PREPB: ("PRE",), Command.PREAB: ("PRE",), Command.REFPB: ("REF",),
    Command.REFAB: ("REF",), Command.MRW: ("MRW-1", "MRW-2"), Command.MRR: ("MRR-1", "CAS-2"),
    Command.ZQCAL_START: ("MPC",), Command.ZQCAL_LATCH: ("MPC",),
}
OPERANDS = {Command.ZQCAL_START: 0b1001111, Command.ZQCAL_LATCH: 0b1010001}


def encode(command: Command, bank: int = 0, *, row: int = 0, burst: int = 0, register: int = 0,
           operand: int = 0) -> list[tuple[int, bool]]:
    """CA (CA0 is bit 0) and CS of each clock of ``command``; ``burst`` is the number of the burst in the row."""
    values = {"R": row, "B": bank, "C": burst << 4, "M": register, "O": OPERANDS.get(command, operand)}
    flags = {"L": 0, "H": 1, "V": 0, "BL": 0, "AP": int(command in (Command.RDA, Command.WRA, Command.MWRA)),
             "AB": int(command in (Command.PREAB, Command.REFAB))}

    def level(name: str) -> int:
        return flags[name] if name in flags else values[name[0]] >> int(name[1:]) & 1

    return [(sum(level(name) << pin for pin, name in enumerate(edge.split())), first)
            for half in SHAPES[command] for edge, first in zip(HALVES[half], (True, False), strict=True)]
