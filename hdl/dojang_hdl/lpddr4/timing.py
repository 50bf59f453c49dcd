"""Configuration of an LPDDR4 channel and its timing in clocks (no Amaranth here)."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

__all__ = ["BANKS", "BURST", "BURST_BYTES", "LATENCY_CODES", "PAGE_BURSTS", "REFI_NS", "Lpddr4Config",
           "Lpddr4ConfigError", "Timing"]

BANKS = 8
BURST = 8
"""tCK of data of one BL16 burst."""

BURST_BYTES = 32
PAGE_BURSTS = 64
"""Bursts in a row of one bank (2 KiB)."""

DERATING = Fraction(1875, 1000)

# name: ns, least tCK, ns that it grows by above 85 °C
ANALOG = {
    "RCD": (18, 4, DERATING),
    "RPPB": (18, 4, DERATING),
    "RPAB": (21, 4, DERATING),
    "RAS": (42, 3, DERATING),
    "RRD": (10, 4, DERATING),
    "FAW": (40, 32, 0),
    "WR": (18, 6, 0),
    "WTR": (10, 8, 0),
    "RTP": (Fraction(15, 2), 8, 0),
    "DQSCK": (Fraction(7, 2), 1, Fraction(1, 10)),
    "MRW": (14, 10, 0),         # tMRD: mode register command to any other
    "ZQCAL": (1_000, 1, 0),
    "ZQLAT": (30, 10, 0),
    "INIT2": (10, 1, 0),
    "INIT5": (2_000, 1, 0),
}
ODTON_NS = Fraction(3, 2)
"""tODTon at least: DQ termination is not on sooner after ODTLon."""

INIT_NS = {"INIT1": 200_000, "INIT3": 2_000_000}
"""Waits of the initialisation that ``init_divisor`` shortens."""

REFI_NS = 3904
"""Average refresh interval of a bank up to 85 °C."""

ROW_OPEN_NS = 70_200
"""A row may stay open for min(9 · tREFI, this)."""

UPKEEP_NS = 200_000, 1_000_000_000
"""Least and most of ``upkeep_ns``: some rounds of refreshes, and no counter of more than 21 bits."""

REFRESH_NS = {4: (180, 90), 8: (280, 140), 16: (380, 190)}
"""tRFCab, tRFCpb by density of the channel in Gb."""

# highest clock in MHz: RL, WL, nWR, nRTP, ODTLon; no DBI, set A, which has no ODTLon (0) up to 800
LATENCIES = {
    266: (6, 4, 6, 8, 0), 533: (10, 6, 10, 8, 0), 800: (14, 8, 16, 8, 0), 1066: (20, 10, 20, 8, 4),
    1333: (24, 12, 24, 10, 4), 1600: (28, 14, 30, 12, 6), 1866: (32, 16, 34, 14, 6), 2133: (36, 18, 40, 16, 8),
}
LATENCY_CODES = tuple(LATENCIES)
"""Position of a clock is the code of its RL, WL and nWR in MR1 and MR2."""


class Lpddr4ConfigError(ValueError):
    """A value of a channel's configuration is out of range; the message names the value and what was expected."""


@dataclass(frozen=True)
class Timing:
    """JEDEC parameters in tCK, the t left off, PB and AB for per-bank and all-bank; names as in a DRAMSys memspec.

    ``MRW`` is tMRD, ``REFI`` the average refresh interval of a bank, ``RAS_MAX`` the longest a row may stay open
    besides nine of the present refresh intervals, ``ZQINT`` the longest from one calibration to the next, ``NWR`` and
    ``NRTP`` are what MR1 and MR2 say of auto-precharge, ``ODTLON`` and ``ODTON`` are when DQ termination comes on after
    a write, ``INIT1`` and ``INIT3`` are as short as ``init_divisor`` makes them.
    """

    RCD: int
    RPPB: int
    RPAB: int
    RAS: int
    RRD: int
    FAW: int
    WR: int
    WTR: int
    RTP: int
    DQSCK: int
    MRW: int
    ZQCAL: int
    ZQLAT: int
    INIT1: int
    INIT2: int
    INIT3: int
    INIT5: int
    RCPB: int
    RFCAB: int
    RFCPB: int
    REFI: int
    RAS_MAX: int
    ZQINT: int
    RL: int
    WL: int
    NWR: int
    NRTP: int
    ODTLON: int
    ODTON: int
    CCD: int = 8
    CCDMW: int = 32
    MRR: int = 8
    PPD: int = 4
    WPRE: int = 2
    RPST: int = 0


@dataclass(frozen=True)
class Lpddr4Config:
    """One x16 LPDDR4 channel of eight banks, one rank, BL16.

    Parameters
    ----------
    rate: data rate of a pin in Mb/s; the clock is half of it.
    density: Gb of the channel, 4, 8 or 16.
    ratio: memory clocks per controller clock, 4 or 8. An eighth of tREFI / 4, the refresh interval of a hot part, must
        last a controller cycle, which bounds ``rate``.
    ports: memory ports that share the channel, 1 or at ratio 8 2; each has its part of the banks.
    upkeep_ns: time in which the temperature is read and the impedance calibrated once. JEDEC leaves it to the board;
        32 ms is the longest that the part's thermometer lags (tTSI), so that both together see 2 °C at 30 °C/s.
    init_divisor: tINIT1 and tINIT3 are shortened by it, for simulation only; 1 on a board.
    """

    rate: int = 1600
    density: int = 8
    ratio: int = 4
    init_divisor: int = 1
    ports: int = 1
    upkeep_ns: int = 32_000_000

    def __post_init__(self):
        def check(ok, field, expected):
            if not ok:
                raise Lpddr4ConfigError(f"lpddr4: {field}={getattr(self, field)!r}, expected {expected}")

        check(self.ratio in (4, 8), "ratio", "4 or 8")
        slowest = ceil(Fraction(2000 * 4 * BANKS * self.ratio, REFI_NS))
        check(slowest <= self.rate <= 2 * 2133 + 1, "rate",
              f"{slowest} to 4267 Mb/s at ratio {self.ratio} (slower, refreshes of a hot part cannot keep up)")
        check(self.density in REFRESH_NS, "density", f"one of {', '.join(map(str, REFRESH_NS))} Gb")
        check(UPKEEP_NS[0] <= self.upkeep_ns <= UPKEEP_NS[1], "upkeep_ns", "{} to {} ns".format(*UPKEEP_NS))
        check(self.init_divisor >= 1, "init_divisor", "at least 1")
        # A port moves a word a cycle; with more of them than words that pass the pins, buffers would be of no use.
        check(self.ports in (1, self.ratio // 4), "ports",
              f"{'1' if self.ratio == 4 else '1 or 2'} at ratio {self.ratio}")

    @property
    def tck_ns(self) -> Fraction:
        return Fraction(2000, self.rate)

    @property
    def rows(self) -> int:
        """Rows of a bank."""
        return self.density << 13

    @property
    def words(self) -> int:
        """128-bit words of the channel."""
        return self.rows * BANKS * PAGE_BURSTS * 2

    @property
    def port_banks(self) -> int:
        """Banks of a port: port p has those from p · ``port_banks`` on."""
        return BANKS // self.ports

    @property
    def port_words(self) -> int:
        """128-bit words of a port."""
        return self.words // self.ports

    @property
    def latency_code(self) -> int:
        return next(code for code, mhz in enumerate(LATENCY_CODES) if self.rate // 2 <= mhz)

    @property
    def terminated(self) -> bool:
        """Whether MR11 has the memory terminate DQ: at the rates for which there is an ODTLon."""
        return self.timing().ODTLON > 0

    def clocks(self, ns, least: int = 0) -> int:
        """tCK that last at least ``ns``, and at least ``least``."""
        return max(ceil(ns / self.tck_ns), least)

    def cycles(self, ns) -> int:
        """Controller cycles that last at least ``ns``."""
        return -(-self.clocks(ns) // self.ratio)

    @property
    def write_delay(self) -> int:
        """Controller cycles from the one with WR to the first with its data; see `PhyPort`."""
        return (LATENCIES[LATENCY_CODES[self.latency_code]][1] + 4) // self.ratio

    def spacing(self, clocks: int, before: str = "row", after: str = "row") -> int:
        """Controller cycles between commands that start at least ``clocks`` apart.

        "column" commands (RD, WR, MRR) start at phase 0, "row" commands (ACT, PRE, REF) at phase ``ratio`` - 4.
        """
        phase = {"column": 0, "row": self.ratio - 4}
        return -((phase[after] - phase[before] - clocks) // self.ratio)

    def timing(self, derated: bool = False) -> Timing:
        """What the part needs; ``derated`` above 85 °C, which is legal below as well."""
        analog = {name: self.clocks(ns + derated * growth, least) for name, (ns, least, growth) in ANALOG.items()}
        init = {name: self.clocks(Fraction(ns, self.init_divisor)) for name, ns in INIT_NS.items()}
        rfc_ab, rfc_pb = REFRESH_NS[self.density]
        rl, wl, nwr, nrtp, odtlon = LATENCIES[LATENCY_CODES[self.latency_code]]
        return Timing(
            **analog, **init, RCPB=analog["RAS"] + analog["RPPB"], RFCAB=self.clocks(rfc_ab), RFCPB=self.clocks(rfc_pb),
            REFI=int(REFI_NS / self.tck_ns), RAS_MAX=int(ROW_OPEN_NS / self.tck_ns),
            ZQINT=int(self.upkeep_ns / self.tck_ns), RL=rl, WL=wl, NWR=nwr, NRTP=nrtp, ODTLON=odtlon,
            ODTON=int(ODTON_NS / self.tck_ns))
