"""What a board's memory is: everything that decides the text of its LiteDRAM core."""

from dataclasses import dataclass

__all__ = ["Dram"]

KINDS = ("ddr3", "sdr")


@dataclass(frozen=True)
class Dram:
    """One rank of x16 memory chips behind a LiteDRAM core.

    Parameters
    ----------
    kind: "ddr3" (ECP5DDRPHY: four transfers a core clock) or "sdr" (GENSDRPHY).
    module: class of LiteDRAM's ``modules`` with geometry and timing, as "MT41K256M16".
    mib: size, checked against the module's geometry.
    sdr_rate: SDRAM clocks a core clock, 1 or 2 (HalfRateGENSDRPHY).
    cmd_delay: taps of the output delay of clock and commands (DDR3).
    dm_lanes: byte lane of the data that each DM pin masks (DDR3; boards that swap them differ from 0, 1).
    speedgrade: of the module, where it has more than one.
    """

    kind: str
    module: str
    mib: int
    sdr_rate: int = 1
    cmd_delay: int = 0
    dm_lanes: tuple[int, ...] = (0, 1)
    speedgrade: str | None = None
    data_bits: int = 16

    def __post_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r}, expected one of {', '.join(KINDS)}")
        if self.data_bits != 16:
            raise ValueError(f"data_bits={self.data_bits}, expected 16")
        if self.sdr_rate not in (1, 2):
            raise ValueError(f"sdr_rate={self.sdr_rate}, expected 1 or 2 SDRAM clocks a core clock")
        if not 0 <= self.cmd_delay < 128:
            raise ValueError(f"cmd_delay={self.cmd_delay}, expected 0 to 127 taps")
        if sorted(self.dm_lanes) != list(range(self.lanes)):
            raise ValueError(f"dm_lanes={self.dm_lanes}, expected the numbers 0 to {self.lanes - 1}")

    @property
    def lanes(self) -> int:
        """Byte lanes."""
        return self.data_bits // 8

    @property
    def words(self) -> int:
        """Size in 128-bit words."""
        return self.mib << 16

    def peak_bytes_per_s(self, clock_hz: float) -> float:
        """What the pins can move at this core clock."""
        transfers = 4 if self.kind == "ddr3" else self.sdr_rate
        return transfers * self.lanes * clock_hz
