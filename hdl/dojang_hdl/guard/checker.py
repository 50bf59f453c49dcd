"""Checks blocks, and corrects what can be corrected."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from .blocks import Block
from .code import check_bits, corrected
from .crc import Crc32
from .jobs import Purpose
from .layout import CHECK_BITS, CLUSTER, HEADER

__all__ = ["Checker", "Header", "Verdict"]

Header = data.StructLayout(dict(HEADER))

Verdict = data.StructLayout({"block": Block, "good": 1, "fixed": 1})
"""What is known of a block: nothing is wrong any more; some word had to be corrected."""

_Stage = data.StructLayout({"word": WORD_BITS, "valid": 1, "header": 1, "wanted": 1, "last": 1, "start": 1,
                            "purpose": Purpose})


class Checker(wiring.Component):
    """One word a cycle: the syndrome is found, then the word corrected, then its CRC taken.

    Members
    -------
    block: what the next words are.
    i: the words of the memory.
    word, en, purpose, mark: a wanted word, 3 cycles after it was taken; with the last word of its block.
    verdict, judged: on the block, 2 cycles after its ``mark``; before the next one's.
    corrected: a word had to be corrected (strobe).
    """

    def __init__(self):
        super().__init__({
            "block": In(stream.Signature(Block)), "i": In(stream.Signature(WORD_BITS)),
            "word": Out(WORD_BITS), "en": Out(1), "purpose": Out(Purpose), "mark": Out(1),
            "verdict": Out(Verdict), "judged": Out(1), "corrected": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        block = self.block.payload
        m.submodules.judging = judging = fifo.SyncFIFO(width=Block.size, depth=4)
        at_data, index = Signal(), Signal(9)
        checks = Signal(CHECK_BITS * CLUSTER)
        take, is_header, last = Signal(), Signal(), Signal()
        header = Header(self.i.payload)
        taken, syndrome_of, found = (Signal(_Stage, name=name) for name in ("taken", "syndrome_of", "found"))
        check, protected, syndrome = Signal(CHECK_BITS), Signal(), Signal(CHECK_BITS)
        m.d.comb += [
            take.eq(self.i.valid & self.block.valid & judging.w_rdy),
            self.i.ready.eq(self.block.valid & judging.w_rdy),
            is_header.eq(~at_data & ~block.raw),
            last.eq(~is_header & (index == block.words - 1)),
            self.block.ready.eq(take & last), judging.w_en.eq(take & last), judging.w_data.eq(block),
        ]
        with m.If(take):
            with m.If(is_header):
                m.d.sync += [at_data.eq(1), checks.eq(self.i.payload)]
            with m.Else():
                m.d.sync += [index.eq(Mux(last, 0, index + 1)), checks.eq(checks >> CHECK_BITS)]
                with m.If(last):
                    m.d.sync += at_data.eq(0)
        m.d.sync += [
            taken.valid.eq(take), taken.header.eq(is_header), taken.last.eq(last), taken.purpose.eq(block.purpose),
            taken.start.eq(is_header | block.raw & (index == 0)),
            taken.wanted.eq(~is_header & (index >= block.skip) & (index < block.until)),
            taken.word.eq(Mux(is_header, header.crc, self.i.payload)),
            check.eq(Mux(is_header, header.crc_check, checks[:CHECK_BITS])),
            protected.eq(is_header | ~block.tile & ~block.raw),
            syndrome_of.eq(taken), syndrome.eq(Mux(protected, check_bits(taken.word) ^ check, 0)),
            found.eq(syndrome_of), found.word.eq(corrected(syndrome_of.word, syndrome)),
        ]
        one, two = Signal(), Signal()
        odd = syndrome.xor()
        m.d.sync += [one.eq(odd & syndrome_of.valid), two.eq(syndrome.any() & ~odd)]

        m.submodules.crc = crc = Crc32()
        expected, bad, fixed, done = Signal(32), Signal(), Signal(), Signal()
        m.d.comb += [
            crc.data.eq(found.word), crc.valid.eq(found.valid & ~found.header), crc.start.eq(found.valid & found.start),
            self.word.eq(found.word), self.en.eq(found.valid & found.wanted), self.purpose.eq(found.purpose),
            self.mark.eq(found.valid & found.last), self.corrected.eq(one),
        ]
        m.d.sync += done.eq(self.mark)
        with m.If(found.valid):
            m.d.sync += [bad.eq(two | bad & ~found.start), fixed.eq(one | fixed & ~found.start)]
            with m.If(found.header):
                m.d.sync += expected.eq(found.word)
        judged = Block(judging.r_data)
        m.d.comb += judging.r_en.eq(done)
        m.d.sync += [
            self.judged.eq(done), self.verdict.block.eq(judged), self.verdict.fixed.eq(fixed),
            self.verdict.good.eq(judged.raw | ~bad & (crc.crc ^ judged.addr == expected)
                                 & ((judged.purpose != Purpose.VERIFY) | (expected == judged.crc))),
        ]
        return m
