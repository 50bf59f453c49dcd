"""Collects results into SRAM words."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK, ELEMENTS
from ..sram_port import SramWrite

__all__ = ["Writer"]

BLOCK_WORDS = BLOCK // ELEMENTS


class Writer(wiring.Component):
    """Writes a vector from word ``d`` on; elements beyond the last stay untouched, or with ``pad32`` become zeros up to
    the next multiple of 32.

    Members
    -------
    start: latches ``d``, ``store`` and ``pad32``; not before ``done``.
    valid, last, z: results, at most one per cycle.
    write: SRAM write port, registered.
    done: pulse in the cycle of the last write (or, without ``store``, one cycle after the last result).
    """

    start: In(1)
    d: In(16)
    store: In(1)
    pad32: In(1)
    valid: In(1)
    last: In(1)
    z: In(32)
    write: Out(SramWrite())
    done: Out(1)

    def elaborate(self, platform):
        m = Module()
        write = self.write
        store, pad32, padding = Signal(), Signal(), Signal()
        lane = Signal(range(ELEMENTS))
        word = Signal(range(BLOCK_WORDS))
        last_word = word == BLOCK_WORDS - 1
        full = (lane == ELEMENTS - 1) | self.last

        with m.If(self.start):
            m.d.sync += [
                write.addr.eq(self.d), store.eq(self.store), pad32.eq(self.pad32 & self.store), lane.eq(0), word.eq(0),
            ]
        with m.Elif(write.en):
            m.d.sync += write.addr.eq(write.addr + 1)

        m.d.sync += [write.en.eq(0), self.done.eq(0)]
        with m.If(self.valid):
            m.d.sync += [lane.eq(lane + 1), word.eq(word + full), write.en.eq(full & store)]
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
