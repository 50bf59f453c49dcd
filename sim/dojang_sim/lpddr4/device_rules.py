"""Rules of a whole LPDDR4 device beyond its bank commands: mode registers, calibration, initialisation, deadlines.

`DEVICE_RULES` is the table the compiled device model is made from (compiled.py); docs/reference/lpddr4.md shows it.
"""

from dataclasses import dataclass
from enum import StrEnum

from .commands import Command, Event
from .mode_fields import MODE_FIELDS, ModeField
from .rules import RD, RDA, READ, RULES, WR, WRA, WRITE, ModeBits, RuleTable, Scope, TimingRule, held

__all__ = ["DEVICE_RULES", "OBSERVED", "BurstRule", "CalibrationRule", "Condition", "ConditionRule", "DeviceRules",
           "OpenRule", "RefreshRule"]


class Condition(StrEnum):
    """A condition that the device must be in; the value says it in words."""

    POWERED = "RESET_n and CKE high"
    STARTED = "RESET_n high"
    NEVER = "never"
    MODES = "MR1, MR2 and MR3 written"
    CALIBRATING = "ZQCAL_START since the last ZQCAL_LATCH"
    CALIBRATED = "ZQCAL_LATCH since RESET_n rose"
    TURN = "not refreshed since the round of eight began; REFAB begins a new one"


@dataclass(frozen=True)
class ConditionRule:
    """``commands`` need ``condition``; no wait helps."""

    name: str
    commands: tuple[Command | Event, ...]
    condition: Condition
    source: str


@dataclass(frozen=True)
class RefreshRule:
    """Since the first ZQCAL_LATCH, no bank has had fewer than elapsed / ``interval`` - ``postponed`` refreshes.

    Nor are more than ``postponed`` pulled in worth anything. The present interval is that of the temperature when MR4
    was last read: ``quarters`` of ``interval``, by its code, divided by four.
    """

    name: str
    interval: str
    postponed: int
    quarters: tuple[int, ...]
    source: str


@dataclass(frozen=True)
class BurstRule:
    """No bank has more than ``count`` refreshes in ``intervals`` of the present refresh intervals, all banks together
    eight times as many.
    """

    name: str
    count: int
    intervals: int
    source: str


@dataclass(frozen=True)
class OpenRule:
    """No row is open for more than ``intervals`` of the present refresh intervals or ``span`` clocks, from last edge to
    last edge.
    """

    name: str
    intervals: int
    span: str
    source: str


@dataclass(frozen=True)
class CalibrationRule:
    """From one ZQCAL_LATCH to the next it is no more than ``span`` clocks."""

    name: str
    span: str
    source: str


@dataclass(frozen=True)
class DeviceRules(RuleTable):
    """All rules of a device. Of a command's breaches the first is reported: conditions, states, then times."""

    conditions: tuple[ConditionRule, ...]
    modes: tuple[ModeField, ...]
    refresh: RefreshRule
    burst: BurstRule
    row_open: OpenRule
    calibration: CalibrationRule


OBSERVED = {
    "UNKNOWN": "a command that is not in the truth table or not modelled, or half of one",
    "WRITE_DATA": "write data missing when it is due, or there when none is",
    "READ_DATA": "the PHY expects read data and the device sends none, or the other way round",
    "IMAGE": "an access beyond the end of the memory",
    "REGISTER": "MRW to a mode register of which no field is known",
}
"""Names under which the model reports what is no rule between commands."""

MRW, MRR = (Command.MRW,), (Command.MRR,)
START, LATCH = (Command.ZQCAL_START,), (Command.ZQCAL_LATCH,)
RESET_LOW, RESET_HIGH = (Event.RESET_LOW,), (Event.RESET_HIGH,)
CKE_LOW, CKE_HIGH = (Event.CKE_LOW,), (Event.CKE_HIGH,)
ACT, REFPB = (Command.ACT,), (Command.REFPB,)
EVERY = tuple(Command)
DQ_TERMINATED = ModeBits(11, 2, 0)

TIMING = tuple(TimingRule(name, before, after, Scope.ANY, distance, source, *when) for
               name, before, after, distance, source, *when in (
    # Without an ODTLon for the clock it counts as 0, the strictest
    ("tRTW_ODT", READ + MRR, WRITE, "RL + DQSCK + BURST + RPST - ODTLON - ODTON + 1", "read to write, DQ terminated",
     DQ_TERMINATED),
    # Mode registers; a read of one is a burst on the data bus
    ("tMRD", MRW, held(4), "MRW", "tMRD, and tMRW which is no longer"),
    ("tMRD_2", MRW, held(2), "MRW + 2", "tMRD"),
    ("tMRR", MRR, READ + MRR, "MRR", "tMRR"),
    ("tMRR_WR", MRR, WRITE, "RL + DQSCK + BURST - WL + WPRE + RPST", "read to write"),
    ("tMRR_MRW", MRR, MRW, "RL + DQSCK + BURST + 3", "MRR to MRW"),
    ("tRD_MRR", READ, MRR, "BURST", "read to MRR"),
    ("tRD_MRW", RD, MRW, "RL + DQSCK + BURST + RTP", "read to MRW"),
    ("tRDA_MRW", RDA, MRW, "RL + DQSCK + BURST + RTP + NRTP - 8", "read to MRW"),
    ("tWR_MRR", WRITE, MRR, "WL + 1 + BURST + WTR", "tWTR"),
    ("tWR_MRW", WR, MRW, "WL + 1 + BURST + RTP", "write to MRW"),
    ("tWRA_MRW", WRA, MRW, "WL + 1 + BURST + RTP + NWR", "write to MRW"),
    # Calibration; what it sets is taken over while no data is on its way
    ("tRD_LATCH", READ + MRR, LATCH, "RL + DQSCK + BURST + 2", "quiet data bus"),
    ("tWR_LATCH", WRITE, LATCH, "WL + BURST + 3", "quiet data bus"),
    ("tZQCAL", START, START + LATCH, "ZQCAL", "tZQCAL"),
    ("tZQLAT", LATCH, held(4), "ZQLAT - 2", "tZQLAT"),
    ("tZQLAT_2", LATCH, held(2), "ZQLAT", "tZQLAT"),
    # Initialisation
    ("tINIT1", RESET_LOW, RESET_HIGH, "INIT1", "tINIT1"),
    ("tINIT2", CKE_LOW, RESET_HIGH, "INIT2", "tINIT2"),
    ("tINIT3", RESET_HIGH, CKE_HIGH, "INIT3", "tINIT3"),
    ("tINIT5", CKE_HIGH, EVERY, "INIT5", "tINIT5"),
))

DEVICE_RULES = DeviceRules(
    states=RULES.states,
    timing=RULES.timing + TIMING,
    windows=RULES.windows,
    conditions=(
        ConditionRule("POWERED", EVERY, Condition.POWERED, "power-up sequence"),
        ConditionRule("RESET", RESET_LOW, Condition.NEVER, "no reset in operation"),
        ConditionRule("CKE", CKE_LOW, Condition.NEVER, "no power-down in operation"),
        ConditionRule("CKE_ORDER", CKE_HIGH, Condition.STARTED, "power-up sequence"),
        ConditionRule("MODES", ACT, Condition.MODES, "power-up sequence"),
        ConditionRule("ZQ", LATCH, Condition.CALIBRATING, "ZQ calibration"),
        ConditionRule("CALIBRATED", ACT, Condition.CALIBRATED, "power-up sequence"),
        ConditionRule("ROUND", REFPB, Condition.TURN, "per-bank refresh"),
    ),
    modes=MODE_FIELDS,
    refresh=RefreshRule("tREFI", "REFI", 8, (4, 16, 8, 4, 2, 1, 1, 1), "tREFI, at most 8 postponed; MR4"),
    # Or in 16 tRFC, which so many take anyway
    burst=BurstRule("tREFI_BURST", 16, 2, "at most 16 REFab in 2 tREFI"),
    row_open=OpenRule("tRAS_MAX", 9, "RAS_MAX", "tRAS max"),
    calibration=CalibrationRule("tZQINT", "ZQINT", "assumed: JEDEC leaves it to the board"),
)
