"""Between the bytes of a frame and words: what a request says is fetched, what it is answered is picked."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, WORD_BYTES

__all__ = ["BytePicker", "WordFetcher"]


class WordFetcher(wiring.Component):
    """Shifts bytes of the request's payload into a word, the next ones of the payload with each ``start``.

    Members
    -------
    clear: back to the payload's first byte.
    start, half: 16 bytes, or 8 with ``half``, which come to lie in the word's upper half; only while not ``busy``.
    busy: from the cycle after ``start`` until ``word`` holds them.
    addr, data: the payload buffer; data belongs to the address of one cycle before.
    """

    clear: In(1)
    start: In(1)
    half: In(1)
    busy: Out(1)
    word: Out(WORD_BITS)
    addr: Out(8)
    data: In(8)

    def elaborate(self, platform):
        m = Module()
        fetching, arrived, left = Signal(), Signal(), Signal(range(WORD_BYTES))
        m.d.comb += self.busy.eq(fetching | arrived)
        m.d.sync += arrived.eq(fetching)
        with m.If(arrived):
            m.d.sync += self.word.eq(Cat(self.word[8:], self.data))
        with m.If(self.clear):
            m.d.sync += self.addr.eq(0)
        with m.Elif(fetching):
            m.d.sync += self.addr.eq(self.addr + 1)
        with m.If(self.start):
            m.d.sync += [fetching.eq(1), left.eq(Mux(self.half, WORD_BYTES // 2 - 1, WORD_BYTES - 1))]
        with m.Elif(fetching):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 0):
                m.d.sync += fetching.eq(0)
        return m


class BytePicker(wiring.Component):
    """Gives the bytes of one of several values, lowest first, one a cycle.

    The byte and the value are chosen by one-hot registers, in two steps with a register behind each.

    Parameters
    ----------
    sizes: bytes of each value, by name.
    constants: what never changes, by name.

    Members
    -------
    values: those of ``sizes``, by name; must not change while the picker is busy.
    start: strobe for each value and constant; at most one, and only while not ``busy``.
    busy: from the cycle after ``start`` to that of the last byte.
    valid, byte: the bytes; the first three cycles after ``start``.
    """

    def __init__(self, sizes: dict[str, int], constants: dict[str, bytes]):
        self._constants = constants
        self._sizes = sizes | {name: len(content) for name, content in constants.items()}
        super().__init__({
            "values": In(data.StructLayout({name: 8 * size for name, size in sizes.items()})),
            "start": In(data.StructLayout(dict.fromkeys(self._sizes, 1))),
            "busy": Out(1), "valid": Out(1), "byte": Out(8)})

    def elaborate(self, platform):
        m = Module()
        at = Signal(max(self._sizes.values()))
        chosen = Signal(len(self._sizes))
        going, picked = Signal(), Signal()
        start = self.start.as_value()
        last = Cat(at[size - 1] for size in self._sizes.values()) & chosen
        with m.If(start.any()):
            m.d.sync += [going.eq(1), chosen.eq(start), at.eq(1)]
        with m.Else():
            m.d.sync += at.eq(at << 1)
            with m.If(last.any()):
                m.d.sync += going.eq(0)
        m.d.sync += [picked.eq(going), self.valid.eq(picked)]
        m.d.comb += self.busy.eq(going | picked | self.valid)
        byte = 0
        for number, (name, size) in enumerate(self._sizes.items()):
            one = Signal(8, name=f"byte_{name}")
            constant = self._constants.get(name)
            value = self.values[name] if constant is None else Const(int.from_bytes(constant, "little"), 8 * size)
            m.d.sync += one.eq(_any(value[8 * i:8 * i + 8] & at[i].replicate(8) for i in range(size)))
            byte |= one & chosen[number].replicate(8)
        m.d.sync += self.byte.eq(byte)
        return m


def _any(terms):
    result = 0
    for term in terms:
        result |= term
    return result
