"""Symbols of a window code to the planes of one row."""

from collections import Counter

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK, WORD_BITS
from ..isa import Code
from ..window_code import CODES
from .gearbox import SYMBOL_BITS
from .parity import parities

__all__ = ["RowDecoder", "planes_of"]

PAIR = (("bit2_0", "bit2_1", "bit1_0", "bit1_1", "bit1_2"),
        (("bit16_0",), ("bit16_1",), ("bit8_0",), ("bit4_0", "bit4_1"), ("late8",)))
"""Where the bits of two rows of X2 enter the adder: the first row's, eight times the second one's."""

FIFTH = 4
"""The bit of a symbol that comes a cycle late."""


def planes_of(codes: frozenset[Code]) -> int:
    """Most planes of a row, without that of the mask."""
    return max(CODES[code].planes for code in codes)


def _add(a: Value, b: Value, c: Value) -> tuple[Value, Value]:
    """Sum and carry of three bits of every column."""
    return a ^ b ^ c, (a & b) | (a & c) | (b & c)


class RowDecoder(wiring.Component):
    """A row of 32 columns a cycle: windows, parities, one carry-save adder for all codes.

    Every code has windows of its own, which are zero while it is not in use, so one parity over the taps of all codes
    needs no multiplexer. X2.5 has two: the one for a symbol's first row is zero when that for the second is not.

    Of two rows of X2 the adder sums up the first one's Q and eight times the second one's, which never meet. A bit that
    enters it at two inputs of a full adder leaves it as its carry, and the sum as it is.

    Parameters
    ----------
    codes: the window codes there are.
    pairs: two rows of X2 may come at once.

    Members
    -------
    active_code, masked: of the command; they stay until the last row has come through.
    row, symbol, odd: a row enters, `Gearbox`'s symbols; ``odd``: the row has an odd number.
    fifth: `Gearbox`'s, of the row of the cycle before.
    pair: rows come two at a time; constant as ``active_code``.
    word: with ``row`` and ``pair``: both rows' symbols.
    weights, ends: with ``row``: see `RowSequencer`.
    planes: of the row that entered `latency` cycles before: plane i at [i]; the highest inverted if ``masked``.
    second: with ``pair``: the planes of the second row.
    o_valid, o_ends: what ``weights`` and ``ends`` were with that row.
    """

    latency = 4

    def __init__(self, codes: frozenset[Code], pairs: bool):
        self._codes, self._pairs = codes, pairs
        super().__init__({
            "active_code": In(len(Code)), "masked": In(1), "row": In(1),
            "pair": In(1), "word": In(WORD_BITS), "second": Out(BLOCK * CODES[Code.X2].planes),
            "symbol": In(BLOCK * SYMBOL_BITS), "odd": In(1), "fifth": In(BLOCK),
            "weights": In(1), "ends": In(1), "o_valid": Out(1), "o_ends": Out(1),
            "planes": Out(BLOCK * planes_of(codes)),
        })

    def elaborate(self, platform):
        m = Module()
        inverted = self._inverted(m)
        values = self._parities(self._windows(m), self._pair(m), inverted)
        flag = inverted.get(4, Const(0, BLOCK))
        for number, part in enumerate((self._ones_twos, lambda values: self._fours_eights(values, flag), dict)):
            registers = {name: Signal(BLOCK, name=f"{name}_{number}", reset_less=True) for name in values}
            m.d.sync += [register.eq(values[name]) for name, register in registers.items()]
            values = part(registers)
        total, carry = _add(values["plane4"], *self._take(values, "bit16_0", "bit16_1"))
        planes = [*(values[f"plane{i}"] for i in range(4)), total]
        m.d.comb += self.planes.eq(Cat(*planes[:planes_of(self._codes)]))
        if self._pairs:
            m.d.comb += self.second.eq(Cat(values["plane3"], total, carry ^ flag))

        valid, ends = Signal(self.latency), Signal(self.latency)
        m.d.sync += [valid.eq(Cat(self.row & self.weights, valid)), ends.eq(Cat(self.row & self.ends, ends))]
        m.d.comb += [self.o_valid.eq(valid[-1]), self.o_ends.eq(ends[-1])]
        return m

    def _inverted(self, m) -> dict[int, Value]:
        """By weight: all columns' plane of that weight is to be inverted, as the highest plane of masked rows is."""
        inverted = {}
        for weight in (4, 8, 16):
            codes = [self.active_code[code] for code in self._codes if 1 << CODES[code].planes - 1 == weight]
            if codes:
                flag = Signal(name=f"inverted_{weight}", reset_less=True)
                m.d.sync += flag.eq(self.masked & Cat(*codes).any())
                inverted[weight] = flag.replicate(BLOCK)
        return inverted

    def _windows(self, m) -> dict[tuple[Code, int], list[Signal]]:
        """Bits of the window by code and weight of the step."""
        symbol = [self.symbol.word_select(bit, BLOCK) for bit in range(SYMBOL_BITS)]
        windows = {}
        for code in sorted(self._codes - {Code.X2} if self._pairs else self._codes):
            b, rows = CODES[code].step_bits, CODES[code].steps_rows
            first, *second = ([Signal(BLOCK, name=f"{code.name.lower()}_{k}_{bit}", reset_less=True)
                               for bit in range(CODES[code].window)] for k in range(rows))
            windows |= {(code, k): bits for k, bits in enumerate((first, *second))}
            last = second[0] if second else first
            entering = [*symbol, Const(0, BLOCK)][:b] + last[:-b]
            idle = ~self.active_code[code]
            with m.If(idle | self.row & self.odd if second else idle):
                m.d.sync += Cat(*first).eq(0)
            with m.Elif(self.row):
                m.d.sync += Cat(*first).eq(Cat(*entering))
            if second:
                with m.If(idle):
                    m.d.sync += Cat(*last).eq(0)
                with m.Elif(self.row):
                    m.d.sync += Cat(*last).eq(Cat(*first[:FIFTH], self.fifth, *first[FIFTH + 1:]))
        return windows

    def _pair(self, m) -> list[Signal]:
        """X2's window after the second of two rows, and the two bits that left it with that one."""
        if not self._pairs:
            return []
        bits = [Signal(BLOCK, name=f"pair_{bit}", reset_less=True) for bit in range(CODES[Code.X2].window + 2)]
        entering = [self.word.word_select(quarter, BLOCK) for quarter in (2, 3, 0, 1)]
        with m.If(~self.pair):
            m.d.sync += Cat(*bits).eq(0)
        with m.Elif(self.row):
            m.d.sync += Cat(*bits).eq(Cat(*entering, *bits[:-4]))
        return bits

    def _parities(self, windows, pair, inverted) -> dict[str, Value]:
        """The bits to be added, by name: weight and number among those of the weight."""
        sums: dict[str, set[str]] = {}
        values: dict[str, Value] = {}

        def enter(name: str, bits: list[Signal]):
            values.update((bit.name, bit) for bit in bits)
            sums.setdefault(name, set()).update(bit.name for bit in bits)

        for (code, k), window in windows.items():
            number = Counter()
            for weight, places in CODES[code].outputs[k]:
                enter(f"bit{weight}_{number[weight]}", [window[tap] for tap in places])
                number[weight] += 1
        # One more bit of a plane's weight inverts it; the carry goes into planes that the code has not.
        for name, weight in (("bit8_0", 8), ("bit16_0", 16)):
            if weight in inverted:
                values[name + "_inverted"] = inverted[weight]
                sums.setdefault(name, set()).add(name + "_inverted")
        if pair:
            first, second = pair[2:], pair[:-2]
            for (_, places), name, names in zip(CODES[Code.X2].outputs[0], *PAIR, strict=True):
                enter(name, [first[tap] for tap in places])
                for other in names:
                    enter(other, [second[tap] for tap in places])
        return parities(sums, values)

    @staticmethod
    def _take(values, *names) -> list[Value]:
        """Out of ``values``; what no code has is 0."""
        return [values.pop(name, Const(0, BLOCK)) for name in names]

    def _ones_twos(self, values):
        total, carry = _add(*self._take(values, "bit1_0", "bit1_1", "bit1_2"))
        half, carry2 = _add(*self._take(values, "bit2_0", "bit2_1"), carry)
        total2, carry2b = _add(half, *self._take(values, "bit2_2", "bit2_3"))
        return values | {"plane0": total, "plane1": total2, "carry2": carry2, "carry2b": carry2b}

    def _fours_eights(self, values, inverted):
        # Only X4 has a second four, and it has no third two: never both.
        four0, four1, carry2, carry2b = self._take(values, "bit4_0", "bit4_1", "carry2", "carry2b")
        half, carry4 = _add(four0, carry2, carry2b | four1)
        total, carry4b = _add(half, *self._take(values, "bit4_2", "bit4_3"))
        late, bit = self._take(values, "late8", "bit8_0")   # the former never meets a carry
        eight, sixteen = _add(carry4, carry4b | late, bit)
        return values | {"plane2": total ^ inverted, "plane3": eight, "plane4": sixteen}
