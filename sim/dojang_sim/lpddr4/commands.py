"""Commands of an LPDDR4 trace: how long each holds the command bus, and what it does to its bank."""

from enum import StrEnum

__all__ = ["ALL_BANK", "BUS_CLOCKS", "CLOSING", "OPENING", "Command"]


class Command(StrEnum):
    """A command by its name in traces. RDA and WRA precharge their bank by themselves."""

    ACT = "ACT"
    RD = "RD"
    RDA = "RDA"
    WR = "WR"
    WRA = "WRA"
    PREPB = "PREPB"
    PREAB = "PREAB"
    REFPB = "REFPB"
    REFAB = "REFAB"


# tCK on the command bus. Activation and column commands are two halves (ACT-1 and ACT-2, RD-1 and CAS-2) of two clocks.
BUS_CLOCKS = {
    Command.ACT: 4, Command.RD: 4, Command.RDA: 4, Command.WR: 4, Command.WRA: 4,
    Command.PREPB: 2, Command.PREAB: 2, Command.REFPB: 2, Command.REFAB: 2,
}
ALL_BANK = frozenset({Command.PREAB, Command.REFAB})       # address every bank; the bank in the trace means nothing
OPENING = frozenset({Command.ACT})
CLOSING = frozenset({Command.RDA, Command.WRA, Command.PREPB, Command.PREAB})
