"""Collects results into SRAM words."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK, ELEMENTS
from ..sram_port import SramWrite

__all__ = ["Writer"]

BLOCK_WORDS = BLOCK // ELEMENTS


class Writer(wiring.Component):
    """Writes a vector from word ``d`` on; elements beyond the last stay untouched, or with ``pad32`` become zeros up to
    the next multiple of 32.

    Parameters
    ----------
    lanes: results per cycle, 1 or an SRAM word's.

    Members
    -------
    start: latches ``d``, ``store`` and ``pad32``; not before ``done``.
    valid: a bit per lane, from the lowest on; only a vector's last word is not full.
    last, z: results, at most one per cycle and lane.
    write: SRAM write port, registered.
    done: pulse in the cycle of the last write (or, without ``store``, one cycle after the last result).
    """

    def __init__(self, lanes: int = 1):
        self._lanes = lanes
        super().__init__({
            "start": In(1), "d": In(16), "store": In(1), "pad32": In(1), "valid": In(lanes), "last": In(1),
            "z": In(32 * lanes), "write": Out(SramWrite()), "done": Out(1)})

    def elaborate(self, platform):
        m = Module()
        write = self.write
        store, pad32, padding = Signal(), Signal(), Signal()
        lane = Signal(range(ELEMENTS))  # of the next result, or of the first one of a whole word
        word = Signal(range(BLOCK_WORDS))
        last_word = word == BLOCK_WORDS - 1
        full = (lane == ELEMENTS - self._lanes) | self.last

        with m.If(self.start):
            m.d.sync += [
                write.addr.eq(self.d), store.eq(self.store), pad32.eq(self.pad32 & self.store), lane.eq(0), word.eq(0),
            ]
        with m.Elif(write.en):
            m.d.sync += write.addr.eq(write.addr + 1)

        m.d.sync += [write.en.eq(0), self.done.eq(0)]
        with m.If(self.valid[0]):
            m.d.sync += [lane.eq(lane + self._lanes), word.eq(word + full), write.en.eq(full & store)]
            if self._lanes == ELEMENTS:
                m.d.sync += [write.mask.eq(self.valid), write.data.eq(Cat(
                    self.z.word_select(i, 32) & self.valid[i].replicate(32) for i in range(ELEMENTS)))]
            else:
                with m.If(lane == 0):
                    m.d.sync += [write.data.eq(self.z), write.mask.eq(1)]
                with m.Else():
                    m.d.sync += [
                        write.data.word_select(lane, 32).eq(self.z),
                        write.mask.bit_select(lane, 1).eq(1),
                    ]
            with m.If(self.last):
                m.d.sync += [padding.eq(pad32 & ~last_word), self.done.eq(~pad32 | last_word)]
                with m.If(pad32):
                    m.d.sync += write.mask.eq(-1)
        with m.Elif(padding):
            m.d.sync += [
                write.data.eq(0), write.mask.eq(-1), write.en.eq(1), word.eq(word + 1),
                padding.eq(~last_word), self.done.eq(last_word),
            ]
        return m
