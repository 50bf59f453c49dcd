"""What a device model must know of its part: a memspec and the values of the device rules."""

from dataclasses import asdict, dataclass, fields

from dojang_hdl.lpddr4.timing import BANKS, BURST, Lpddr4Config

from .memspec import Memspec

__all__ = ["DeviceSpec", "memspec_of"]


@dataclass(frozen=True, kw_only=True)
class DeviceSpec(Memspec):
    """A `Memspec` with JEDEC's values of mode registers, calibration, initialisation and refresh, in tCK;
    ``ZQINT`` is the longest from one calibration to the next.

    Members
    -------
    rows: rows of a bank.
    latency_code: what the RL, WL and nWR fields of MR1 and MR2 must hold.
    ports: parts of the banks, each with an image of its own.
    """

    MRR: int
    MRW: int
    ZQCAL: int
    ZQLAT: int
    INIT1: int
    INIT2: int
    INIT3: int
    INIT5: int
    ODTLON: int
    ODTON: int
    RAS_MAX: int
    ZQINT: int
    rows: int
    latency_code: int
    ports: int = 1

    def __str__(self) -> str:
        """The form the compiled model reads: ``NAME=value`` of every field."""
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())


def memspec_of(config: Lpddr4Config, derated: bool = False) -> DeviceSpec:
    """What the part of ``config`` needs up to 85 °C, or ``derated`` above, which its controller always keeps."""
    timing = asdict(config.timing(derated))
    known = {"banks": BANKS, "BURST": BURST, "rows": config.rows, "latency_code": config.latency_code,
             "ports": config.ports}
    return DeviceSpec(**known, **{field.name: timing[field.name] for field in fields(DeviceSpec)
                                  if field.name not in known})
