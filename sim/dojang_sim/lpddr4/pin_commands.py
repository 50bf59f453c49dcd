"""Commands as they are on the command pins: encoding and decoding by the truth table of JESD209-4."""

from dataclasses import dataclass, fields

__all__ = ["CalibrationCode", "PinCommand", "PinDecoder"]

# A half is two clocks: CA0 to CA5 of the edge with CS high, then of the edge after it with CS low.
# 0 and 1 are fixed, - is not looked at; the rest are fields with the number of the bit.
HALVES = {
    "MRW-1": "0 1 1 0 0 op7   ma0 ma1 ma2 ma3 ma4 ma5",
    "MRW-2": "0 1 1 0 1 op6   op0 op1 op2 op3 op4 op5",
    "MRR-1": "0 1 1 1 0 -     ma0 ma1 ma2 ma3 ma4 ma5",
    "REF":   "0 0 0 1 0 ab0   bank0 bank1 bank2 - - -",
    "ACT-1": "1 0 row12 row13 row14 row15   bank0 bank1 bank2 row16 row10 row11",
    "ACT-2": "1 1 row6 row7 row8 row9       row0 row1 row2 row3 row4 row5",
    "WR-1":  "0 0 1 0 0 bl0   bank0 bank1 bank2 - column9 ap0",
    "MWR-1": "0 0 1 1 0 bl0   bank0 bank1 bank2 - column9 ap0",
    "RD-1":  "0 1 0 0 0 bl0   bank0 bank1 bank2 - column9 ap0",
    "CAS-2": "0 1 0 0 1 column8   column2 column3 column4 column5 column6 column7",
    "PRE":   "0 0 0 0 1 ab0   bank0 bank1 bank2 - - -",
    "MPC":   "0 0 0 0 0 op6   op0 op1 op2 op3 op4 op5",
}
TABLE = {name: tuple(bits.split()) for name, bits in HALVES.items()}
SECOND = {"MRW-1": "MRW-2", "MRR-1": "CAS-2", "ACT-1": "ACT-2", "WR-1": "CAS-2", "MWR-1": "CAS-2", "RD-1": "CAS-2"}

# A name on the pins, with its auto-precharge or all-bank bit, is one of these.
VARIANTS = {
    "ACT": ("ACT-1", {}), "MRW": ("MRW-1", {}), "MRR": ("MRR-1", {}), "MPC": ("MPC", {}),
    "RD": ("RD-1", {"ap": 0}), "RDA": ("RD-1", {"ap": 1}), "WR": ("WR-1", {"ap": 0}), "WRA": ("WR-1", {"ap": 1}),
    "MWR": ("MWR-1", {"ap": 0}), "MWRA": ("MWR-1", {"ap": 1}),
    "PREPB": ("PRE", {"ab": 0}), "PREAB": ("PRE", {"ab": 1}), "REFPB": ("REF", {"ab": 0}), "REFAB": ("REF", {"ab": 1}),
}


class CalibrationCode:
    """Operands of MPC that calibrate the output impedance."""

    START = 0b1001111
    LATCH = 0b1010001


@dataclass(frozen=True)
class PinCommand:
    """A command with what it says on the pins; fields that it has not are 0.

    ``name`` is one of ACT RD RDA WR WRA MWR MWRA PREPB PREAB REFPB REFAB MRW MRR MPC. ``column`` is the address of a
    burst's first beat, a multiple of 16 for whole bursts; ``op`` and ``ma`` are value and number of a mode register.
    """

    name: str
    bank: int = 0
    row: int = 0
    column: int = 0
    op: int = 0
    ma: int = 0

    def encode(self) -> list[tuple[int, int]]:
        """(CS, CA) of each clock: two clocks or four."""
        first, flags = VARIANTS[self.name]
        values = {field.name: getattr(self, field.name) for field in fields(self)} | {"bl": 0} | flags
        clocks = []
        for half in (first, SECOND[first]) if first in SECOND else (first,):
            levels = [_level(token, values) for token in TABLE[half]]
            clocks += [(1, _number(levels[:6])), (0, _number(levels[6:]))]
        return clocks


class PinDecoder:
    """Puts halves together to commands."""

    def __init__(self):
        self._pending: tuple[int, str, dict[str, int]] | None = None

    def half(self, time: int, high: int, low: int) -> tuple[int, PinCommand] | None:
        """The command that ends with this half and its first clock edge, if one ends.

        ``time`` is that of the edge with CS high in tCK, ``high`` and ``low`` are CA at that edge and the next. Raises
        `ValueError` if the half is not in the truth table or does not belong to the one before.
        """
        half = next((name for name, bits in TABLE.items() if _matches(bits, high, low)), None)
        shown = f"CA {high:06b} {low:06b} at t={time}"
        if half is None:
            raise ValueError(f"{shown} is no command of the truth table")
        values = _values(TABLE[half], high, low)
        start, first = time, half
        if self._pending is not None:
            start, first, before = self._pending
            self._pending = None
            if half != SECOND[first] or time != start + 2:
                raise ValueError(f"{shown} is {half}, expected {SECOND[first]} at t={start + 2}")
            for field, value in before.items():
                values[field] = values.get(field, 0) | value
        elif half in SECOND:
            self._pending = time, half, values
            return None
        elif half in SECOND.values():
            raise ValueError(f"{shown} is {half} without its first half")
        name = next(name for name, (opening, flags) in VARIANTS.items()
                    if opening == first and all(values[field] == value for field, value in flags.items()))
        known = {field.name for field in fields(PinCommand)}
        return start, PinCommand(name, **{field: value for field, value in values.items() if field in known})


def _level(token: str, values: dict[str, int]) -> int:
    if token in "01-":
        return int(token == "1")
    field = token.rstrip("0123456789")
    return values[field] >> int(token[len(field):]) & 1


def _number(levels: list[int]) -> int:
    return sum(level << bit for bit, level in enumerate(levels))


def _matches(bits: tuple[str, ...], high: int, low: int) -> bool:
    word = high | low << 6
    return all(token not in "01" or word >> bit & 1 == int(token) for bit, token in enumerate(bits))


def _values(bits: tuple[str, ...], high: int, low: int) -> dict[str, int]:
    values: dict[str, int] = {}
    word = high | low << 6
    for bit, token in enumerate(bits):
        if token not in "01-":
            field = token.rstrip("0123456789")
            values[field] = values.get(field, 0) | (word >> bit & 1) << int(token[len(field):])
    return values
