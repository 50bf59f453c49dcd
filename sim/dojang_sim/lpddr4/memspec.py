"""Timing values of one LPDDR4 part at one speed, read from a memspec JSON file as DRAMSys has them."""

import json
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

__all__ = ["Memspec", "MemspecError", "read_memspec"]

MAY_BE_ZERO = ("DQSCK", "WPRE", "RPST")     # others are at least one clock
STAND_INS = {"NWR": "WR", "NRTP": "RTP"}    # what is read where a file does not have the first
MOST_CLOCKS, MOST_BANKS = 10**9, 64


class MemspecError(ValueError):
    """A memspec cannot be used; the message is one sentence with the value found and what was expected."""


@dataclass(frozen=True)
class Memspec:
    """What the rules need, under the names of the file. All in tCK, but ``banks``.

    ``BURST``: clocks of data of one read or write. ``RL`` and ``WL``: latencies to the data. The rest are JEDEC's
    parameters with the t left off and PB, AB for per-bank and all-bank; ``NWR`` and ``NRTP`` are those of
    auto-precharge. A file may lack these two, which are then WR and RTP, and those with a default; ``REFI`` 0: unknown.
    """

    banks: int
    BURST: int
    CCD: int
    DQSCK: int
    FAW: int
    NRTP: int
    NWR: int
    PPD: int
    RAS: int
    RCD: int
    RCPB: int
    RFCAB: int
    RFCPB: int
    RL: int
    RPAB: int
    RPPB: int
    RPST: int
    RRD: int
    RTP: int
    WL: int
    WPRE: int
    WR: int
    WTR: int
    CCDMW: int = 32
    REFI: int = 0


def read_memspec(path: Path) -> Memspec:
    """The memspec in the JSON file ``path``.

    Raises `MemspecError` if the file is unreadable or not a memspec of LPDDR4, or a value is missing or out of range.
    """
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise MemspecError(f"{path}: cannot be read ({error.strerror}), expected a memspec JSON file") from None
    except (ValueError, RecursionError) as error:
        raise MemspecError(f"{path}: not JSON ({error}), expected a memspec JSON file") from None
    spec = section(path, document, "memspec")
    kind = spec.get("memoryType")
    if kind != "LPDDR4":
        raise MemspecError(f"{path}: memoryType is {json.dumps(kind)}, expected \"LPDDR4\"")
    shape, timing = (section(path, spec, name) for name in ("memarchitecturespec", "memtimingspec"))
    # Traces have no column for a rank, and the bus carries data on both edges.
    for name, expected in (("nbrOfRanks", (1,)), ("dataRate", (2,)), ("burstLength", (16, 32))):
        found = whole(path, shape, name, 1, MOST_CLOCKS)
        if found not in expected:
            raise MemspecError(f"{path}: {name} is {found}, expected {' or '.join(map(str, expected))}")
    names = [field.name for field in fields(Memspec) if field.name not in ("banks", "BURST")
             and (field.default is MISSING or field.name in timing)]
    keys = {name: name if name in timing else STAND_INS.get(name, name) for name in names}
    memspec = Memspec(
        banks=whole(path, shape, "nbrOfBanks", 1, MOST_BANKS), BURST=shape["burstLength"] // shape["dataRate"],
        **{name: whole(path, timing, key, key not in MAY_BE_ZERO, MOST_CLOCKS) for name, key in keys.items()})
    if memspec.CCD < memspec.BURST:         # else bursts would overlap on the data bus
        raise MemspecError(f"{path}: CCD is {memspec.CCD}, expected at least the {memspec.BURST} tCK of a burst")
    return memspec


def section(path: Path, parent: object, name: str) -> dict:
    """The object ``name`` inside ``parent``, or `MemspecError`."""
    found = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(found, dict):
        raise MemspecError(f"{path}: {name} is {'missing' if found is None else 'not an object'}, "
                           f"expected an object of memspec values")
    return found


def whole(path: Path, parent: dict, name: str, least: int, most: int) -> int:
    """The whole number ``name`` in ``parent``, or `MemspecError`."""
    found = parent.get(name)
    if type(found) is not int or found < least:     # `type`: true is not a number here
        shown = "missing" if name not in parent else json.dumps(found)
        raise MemspecError(f"{path}: {name} is {shown}, expected a whole number of at least {least:d}")
    if found > most:
        raise MemspecError(f"{path}: {name} is {found}, expected at most {most}")
    return found
