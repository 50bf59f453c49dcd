"""What the device model knows of mode registers: fields and the values of them that it stands for."""

from dataclasses import dataclass

from .rules import ModeBits

__all__ = ["MODE_FIELDS", "ModeField"]


@dataclass(frozen=True)
class ModeField:
    """Bits of a mode register that may be written with ``least`` to ``most``, expressions as distances are.

    A write with another value is a breach of ``name``.
    """

    name: str
    bits: ModeBits
    least: str
    most: str
    meaning: str


def field(register: int, name: str, high: int, low: int, values: str, meaning: str) -> ModeField:
    """``values``: the only one, or the least and the most with ".." between them."""
    least, _, most = values.partition("..")
    return ModeField(f"MR{register}_{name}", ModeBits(register, high, low), least, most or least, meaning)


MODE_FIELDS = (
    field(1, "BL", 1, 0, "0", "bursts of 16"),
    field(1, "WR_PRE", 2, 2, "1", "write preamble of 2 tCK"),
    field(1, "RD_PRE", 3, 3, "0", "static read preamble"),
    field(1, "NWR", 6, 4, "latency_code", "nWR and nRTP of the clock"),
    field(1, "RD_PST", 7, 7, "0", "read postamble of half a tCK"),
    field(2, "RL", 2, 0, "latency_code", "RL of the clock"),
    field(2, "WL", 5, 3, "latency_code", "WL of the clock"),
    field(2, "WLS", 6, 6, "0", "set A of WL"),
    field(2, "WR_LEV", 7, 7, "0", "no write levelling"),
    field(3, "PU_CAL", 0, 0, "0..1", "pull-up, without effect here"),
    field(3, "WR_PST", 1, 1, "0", "write postamble of half a tCK"),
    field(3, "PPRP", 2, 2, "0", "no post-package repair"),
    field(3, "PDDS", 5, 3, "1..6", "pull-down, without effect here"),
    field(3, "DBI_RD", 6, 6, "0", "read data not inverted"),
    field(3, "DBI_WR", 7, 7, "0", "write data not inverted"),
    field(10, "ZQ_RESET", 7, 0, "0", "calibration kept"),
    field(11, "DQ_ODT", 2, 0, "0..6", "DQ termination, 0: off"),
    field(11, "RFU_3", 3, 3, "0", "reserved"),
    field(11, "CA_ODT", 6, 4, "0", "CA not terminated"),
    field(11, "RFU_7", 7, 7, "0", "reserved"),
    field(12, "VREF_CA", 7, 0, "77", "CA reference at its default"),
    field(13, "CBT", 0, 0, "0", "no command bus training"),
    field(13, "RPT", 1, 1, "0", "no read preamble training"),
    field(13, "VRO", 2, 2, "0", "references not put out"),
    field(13, "VRCG", 3, 3, "0", "references at normal current"),
    field(13, "RRO", 4, 4, "0", "MR4 codes 1 to 5"),
    field(13, "DMD", 5, 5, "0", "masked writes on"),
    field(13, "FSP_WR", 6, 6, "0", "set point 0 is written"),
    field(13, "FSP_OP", 7, 7, "0", "set point 0 is in use"),
    field(14, "VREF_DQ", 7, 0, "77", "DQ reference at its default"),
)
"""Every bit of every register that may be written."""
