"""Where each value and rule of LPDDR4 stands besides JESD209-4, so that none is from one memory alone."""

from typing import NamedTuple

from .device_rules import DEVICE_RULES
from .rules import RULES

__all__ = ["RULE_SOURCES", "SOURCES", "VALUE_SOURCES", "ValueSource"]

SOURCES = {
    "DRAMSys": "tukl-msd/DRAMSys: configs/memspec/JEDEC_512Mbx16_LPDDR4-*.json and JEDEC_1Gbx16_LPDDR4-*.json, "
               "src/DRAMSys/controller/checker/CheckerLPDDR4.cpp",
    "ELVEES": "elvees/ddrinit: src/ddrmc/ddrmc-lpddr4.c",
    "LiteDRAM": "enjoy-digital/litedram: litedram/init.py, litedram/modules.py, litedram/phy/lpddr4/sim.py",
    "Ramulator": "CMU-SAFARI/ramulator: src/LPDDR4.cpp",
    "R-Car": "ARM-software/arm-trusted-firmware: drivers/renesas/common/ddr/ddr_b/boot_init_dram.c",
}
"""Repository and files by the name that is used below."""


class ValueSource(NamedTuple):
    """JEDEC's name of a value, who else has it, and where they differ. The stricter is taken."""

    name: str
    also: str
    note: str = ""


VALUE_SOURCES = {
    "RCD": ValueSource("tRCD", "DRAMSys LiteDRAM R-Car"),
    "RPPB": ValueSource("tRPpb", "DRAMSys R-Car", "R-Car: at least 3 tCK"),
    "RPAB": ValueSource("tRPab", "DRAMSys LiteDRAM R-Car", "R-Car, LiteDRAM: at least 3 tCK"),
    "RAS": ValueSource("tRAS", "DRAMSys LiteDRAM R-Car"),
    "RRD": ValueSource("tRRD", "DRAMSys LiteDRAM R-Car", "7.5 ns in 4266 Mb/s parts"),
    "FAW": ValueSource("tFAW", "DRAMSys LiteDRAM R-Car", "R-Car: no least tCK; 30 ns in 4266 Mb/s parts"),
    "WR": ValueSource("tWR", "DRAMSys ELVEES LiteDRAM R-Car", "R-Car, LiteDRAM: at least 4 tCK"),
    "WTR": ValueSource("tWTR", "DRAMSys ELVEES LiteDRAM R-Car"),
    "RTP": ValueSource("tRTP", "DRAMSys ELVEES R-Car"),
    "DQSCK": ValueSource("tDQSCK", "R-Car", "the longest; DRAMSys: shorter at some rates"),
    "MRW": ValueSource("tMRD", "ELVEES R-Car"),
    "MRR": ValueSource("tMRR", "R-Car"),
    "ZQCAL": ValueSource("tZQCAL", "LiteDRAM"),
    "ZQLAT": ValueSource("tZQLAT", "LiteDRAM R-Car", "LiteDRAM: at least 8 tCK"),
    "CCD": ValueSource("tCCD", "DRAMSys ELVEES LiteDRAM"),
    "CCDMW": ValueSource("tCCDMW", "DRAMSys ELVEES LiteDRAM"),
    "PPD": ValueSource("tPPD", "DRAMSys ELVEES"),
    "WPRE": ValueSource("tWPRE", "DRAMSys LiteDRAM"),
    "RPST": ValueSource("tRPST", "DRAMSys", "0.4 tCK, rounded down"),
    "REFI": ValueSource("tREFI", "DRAMSys LiteDRAM Ramulator", "LiteDRAM: 3906.25"),
    "ZQINT": ValueSource("tZQINT", "", "assumed: JEDEC leaves it to the board"),
    "RAS_MAX": ValueSource("tRAS max", "", "or 9 of the present tREFI; no second source was found for the limit in ns"),
    "RFCAB": ValueSource("tRFCab", "DRAMSys R-Car Ramulator"),
    "RFCPB": ValueSource("tRFCpb", "DRAMSys Ramulator"),
    "RL": ValueSource("RL", "DRAMSys LiteDRAM R-Car"),
    "WL": ValueSource("WL", "DRAMSys ELVEES LiteDRAM R-Car", "set A; R-Car has set B up to 800 MHz"),
    "NWR": ValueSource("nWR", "LiteDRAM R-Car"),
    "NRTP": ValueSource("nRTP", "LiteDRAM R-Car"),
    "ODTLON": ValueSource("ODTLon", "ELVEES R-Car", "set A, none up to 800 MHz"),
    "ODTON": ValueSource("tODTon min", "R-Car", "rounded down"),
    "INIT1": ValueSource("tINIT1", "LiteDRAM"),
    "INIT2": ValueSource("tINIT2", "LiteDRAM"),
    "INIT3": ValueSource("tINIT3", "LiteDRAM"),
    "INIT5": ValueSource("tINIT5", "LiteDRAM"),
}
"""By name in `Timing`; tRCpb is tRAS + tRPpb."""

RULE_SOURCES = {
    **{rule.name: "DRAMSys" for rule in (*RULES.states, *RULES.timing, *RULES.windows)},
    **{rule.name: "" for rule in DEVICE_RULES.timing if rule not in RULES.timing},
    "tRTW_ODT": "ELVEES R-Car", "tMRD": "ELVEES R-Car", "tMRD_2": "ELVEES R-Car", "tMRR": "R-Car",
    "tRD_LATCH": "LiteDRAM#239", "tWR_LATCH": "LiteDRAM#239",
    **dict.fromkeys(("tZQCAL", "tZQLAT", "tZQLAT_2", "tINIT1", "tINIT2", "tINIT3", "tINIT5"), "LiteDRAM"),
}
"""Who else has a distance, by rule; # is an issue there. DRAMSys counts tRTP and tWR where nRTP and nWR are meant."""
