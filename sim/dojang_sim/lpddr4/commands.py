"""Commands of LPDDR4: how long each holds the command bus, and what it does to its bank; edges of its two signals."""

from enum import StrEnum

__all__ = ["ALL_BANK", "BUS_CLOCKS", "CLOSING", "OPENING", "TRACED", "Command", "Event"]


class Command(StrEnum):
    """A command by its name. RDA, WRA and MWRA precharge their bank by themselves; MWR and MWRA are masked writes."""

    ACT = "ACT"
    RD = "RD"
    RDA = "RDA"
    WR = "WR"
    WRA = "WRA"
    MWR = "MWR"
    MWRA = "MWRA"
    PREPB = "PREPB"
    PREAB = "PREAB"
    REFPB = "REFPB"
    REFAB = "REFAB"
    MRW = "MRW"
    MRR = "MRR"
    ZQCAL_START = "ZQCAL_START"
    ZQCAL_LATCH = "ZQCAL_LATCH"


class Event(StrEnum):
    """An edge of a signal that the rules time as they do commands."""

    RESET_LOW = "RESET_LOW"
    RESET_HIGH = "RESET_HIGH"
    CKE_LOW = "CKE_LOW"
    CKE_HIGH = "CKE_HIGH"


# tCK on the command bus. Activation, column and mode register commands are two halves (ACT-1 and ACT-2, RD-1 and CAS-2)
# of two clocks.
BUS_CLOCKS: dict[Command | Event, int] = {
    Command.ACT: 4, Command.RD: 4, Command.RDA: 4, Command.WR: 4, Command.WRA: 4, Command.MWR: 4, Command.MWRA: 4,
    Command.PREPB: 2, Command.PREAB: 2, Command.REFPB: 2, Command.REFAB: 2,
    Command.MRW: 4, Command.MRR: 4, Command.ZQCAL_START: 2, Command.ZQCAL_LATCH: 2,
    **dict.fromkeys(Event, 0),
}
ALL_BANK = frozenset({Command.PREAB, Command.REFAB})       # address every bank; the bank in the trace means nothing
OPENING = frozenset({Command.ACT})
CLOSING = frozenset({Command.RDA, Command.WRA, Command.MWRA, Command.PREPB, Command.PREAB})
TRACED = tuple(command for command in Command if command not in (
    Command.MRW, Command.MRR, Command.ZQCAL_START, Command.ZQCAL_LATCH))
"""Commands of a trace, which starts after the initialisation."""
