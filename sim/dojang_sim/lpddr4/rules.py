"""The timing and state rules between bank commands of LPDDR4 as a table of data; docs/reference/lpddr4.md shows it.

device_rules.py has those of a whole device: mode registers, calibration, initialisation, refresh deadlines.

Times are first clock edges of commands. JEDEC measures between last edges: hence the + 2 from a command of four clocks
to one of two, and the − 2 the other way.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from .commands import BUS_CLOCKS, Command, Event
from .memspec import Memspec

__all__ = ["PRE", "RD", "RDA", "READ", "REF", "RULES", "WR", "WRA", "WRITE", "ModeBits", "RuleTable", "Scope",
           "StateRule", "TimingRule", "WindowRule", "clocks", "held"]


class Scope(StrEnum):
    """Between which banks a rule holds. An all-bank command shares a bank with every command."""

    SAME = "same bank"
    ANY = "any bank"


@dataclass(frozen=True)
class ModeBits:
    """Bits ``high`` to ``low`` of what was last written to a mode register; 0 before."""

    register: int
    high: int
    low: int

    def __str__(self) -> str:
        span = f"{self.high}:{self.low}" if self.high > self.low else str(self.low)
        return f"MR{self.register}[{span}]"

    @property
    def mask(self) -> int:
        return (2 << self.high) - (1 << self.low)

    def any_in(self, modes: Mapping[int, int]) -> bool:
        """Whether one of them is set, where ``modes`` are the registers that were written."""
        return bool(modes.get(self.register, 0) & self.mask)


@dataclass(frozen=True)
class TimingRule:
    """Each of ``after`` starts at least ``distance`` clocks after each of ``before``.

    ``distance`` is a sum of `Memspec` names and numbers, and so an expression of C++ and Verilog as well. With ``when``
    the rule holds only while one of those bits is set.
    """

    name: str
    before: tuple[Command | Event, ...]
    after: tuple[Command | Event, ...]
    scope: Scope
    distance: str
    source: str
    when: ModeBits | None = None


@dataclass(frozen=True)
class WindowRule:
    """At most ``count`` of ``commands`` in ``span`` clocks, from the last edge of the first to the last edge of the one
    after the last.
    """

    name: str
    commands: tuple[Command, ...]
    count: int
    span: str
    source: str


@dataclass(frozen=True)
class StateRule:
    """``commands`` need the banks they address open (a row is active) or closed."""

    name: str
    commands: tuple[Command, ...]
    open: bool
    source: str


@dataclass(frozen=True)
class RuleTable:
    """All rules. Names are unique; where several rules bind alike, the first is reported."""

    states: tuple[StateRule, ...]
    timing: tuple[TimingRule, ...]
    windows: tuple[WindowRule, ...]


def clocks(expression: str, memspec: Memspec) -> int:
    """The value in tCK of a distance or span, a sum and difference of `Memspec` names and whole numbers."""
    total = 0
    for sign, term in re.findall(r"([+-]?) ?(\w+)", expression):
        value = int(term) if term.isdecimal() else getattr(memspec, term)
        total += -value if sign == "-" else value
    return total


ACT = (Command.ACT,)
RD, RDA = (Command.RD,), (Command.RDA,)
WR, WRA = (Command.WR, Command.MWR), (Command.WRA, Command.MWRA)       # both kinds
MASKED = (Command.MWR, Command.MWRA)
PREPB, PREAB = (Command.PREPB,), (Command.PREAB,)
REFPB, REFAB = (Command.REFPB,), (Command.REFAB,)
READ, WRITE, PRE, REF = RD + RDA, WR + WRA, PREPB + PREAB, REFPB + REFAB
SAME, ANY = Scope.SAME, Scope.ANY


def held(length: int) -> tuple[Command, ...]:
    """The commands that hold the command bus for ``length`` clocks."""
    return tuple(command for command in Command if BUS_CLOCKS[command] == length)


RULES = RuleTable(
    states=(
        StateRule("OPEN", READ + WRITE, True, "command truth table"),
        StateRule("CLOSED", ACT + REF, False, "command truth table"),
    ),
    timing=(
        # name, before, after, scope, distance, source
        TimingRule("BUS4", held(4), tuple(Command), ANY, "4", "two-part commands"),
        TimingRule("BUS2", held(2), tuple(Command), ANY, "2", "one-part commands"),
        # From an activation
        TimingRule("tRCD", ACT, READ + WRITE, SAME, "RCD", "tRCD"),
        TimingRule("tRAS", ACT, PRE, SAME, "RAS + 2", "tRAS min"),
        TimingRule("tRC", ACT, ACT, SAME, "RCPB", "tRCpb"),
        TimingRule("tRC_REF", ACT, REF, SAME, "RCPB + 2", "tRCpb"),
        TimingRule("tRRD", ACT, ACT, ANY, "RRD", "tRRD"),
        TimingRule("tRRD_ACT_REF", ACT, REFPB, ANY, "RRD + 2", "tRRD"),
        TimingRule("tRRD_REF_ACT", REFPB, ACT, ANY, "RRD - 2", "tRRD"),
        # Between column commands
        TimingRule("tCCD_RD", READ, READ, ANY, "CCD", "tCCD"),
        TimingRule("tCCD_WR", WRITE, WRITE, ANY, "CCD", "tCCD"),
        TimingRule("tCCDMW", MASKED, MASKED, SAME, "CCDMW", "tCCDMW"),     # of bursts of 16 always
        TimingRule("tCCDMW_WR", (Command.WR, Command.WRA), MASKED, SAME, "CCDMW + BURST - 8", "tCCDMW"),
        TimingRule("tRTW", READ, WRITE, ANY, "RL + DQSCK + BURST - WL + WPRE + RPST", "read to write"),
        TimingRule("tWTR", WRITE, READ, ANY, "WL + 1 + BURST + WTR", "tWTR"),
        # To a precharge; auto-precharge counts the nRTP and nWR of MR1
        TimingRule("tRTP", RD, PRE, SAME, "RTP + BURST - 6", "tRTP"),
        TimingRule("tRTP_RDA", RDA, PRE, SAME, "NRTP + BURST - 6", "nRTP"),
        TimingRule("tWR", WR, PRE, SAME, "WL + BURST + WR + 3", "tWR"),
        TimingRule("tWR_WRA", WRA, PRE, SAME, "WL + BURST + NWR + 3", "nWR"),
        TimingRule("tWR_RDA", WR, RDA, SAME, "WL + WR + 9 - NRTP", "tWR before the precharge of RDA"),
        # From a precharge
        TimingRule("tRP_RDA_ACT", RDA, ACT, SAME, "NRTP + BURST - 8 + RPPB", "nRTP + tRPpb"),
        TimingRule("tRP_RDA_REF", RDA, REF, SAME, "NRTP + BURST - 6 + RPPB", "nRTP + tRPpb"),
        TimingRule("tRP_WRA_ACT", WRA, ACT, SAME, "WL + BURST + NWR + 1 + RPPB", "nWR + tRPpb"),
        TimingRule("tRP_WRA_REF", WRA, REF, SAME, "WL + BURST + NWR + 3 + RPPB", "nWR + tRPpb"),
        TimingRule("tRPpb_ACT", PREPB, ACT, SAME, "RPPB - 2", "tRPpb"),
        TimingRule("tRPpb_REF", PREPB, REF, SAME, "RPPB", "tRPpb"),
        TimingRule("tRPab_ACT", PREAB, ACT, SAME, "RPAB - 2", "tRPab"),
        TimingRule("tRPab_REF", PREAB, REF, SAME, "RPAB", "tRPab"),
        TimingRule("tPPD", PRE, PRE, ANY, "PPD", "tPPD"),
        # From a refresh
        TimingRule("tRFCpb_ACT", REFPB, ACT, SAME, "RFCPB - 2", "tRFCpb"),
        TimingRule("tRFCpb_PRE", REFPB, PRE, SAME, "RFCPB", "tRFCpb"),
        TimingRule("tRFCpb_REF", REFPB, REF, ANY, "RFCPB", "tRFCpb"),
        TimingRule("tRFCab_ACT", REFAB, ACT, SAME, "RFCAB - 2", "tRFCab"),
        TimingRule("tRFCab_PRE", REFAB, PRE, SAME, "RFCAB", "tRFCab"),
        TimingRule("tRFCab_REF", REFAB, REF, SAME, "RFCAB", "tRFCab"),
    ),
    windows=(
        WindowRule("tFAW", ACT + REFPB, 4, "FAW", "tFAW"),
    ),
)
