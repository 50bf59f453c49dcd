"""Checks blocks, and corrects what can be corrected."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from ..memory import LENGTH_BITS
from .blocks import Block
from .code import check_bits, corrected
from .crc import Crc32
from .jobs import Purpose
from .layout import CHECK_BITS, CLUSTER, HEADER

__all__ = ["Checker", "Header", "Sealer", "Verdict"]

Header = data.StructLayout(dict(HEADER))

Verdict = data.StructLayout({"block": Block, "good": 1, "fixed": 1, "crc": 32})
"""What is known of a block: nothing is wrong any more; some word had to be corrected; the CRC that its header has."""

_Stage = data.StructLayout({"word": WORD_BITS, "valid": 1, "header": 1, "wanted": 1, "last": 1, "start": 1,
                            "seal": 1})


class Sealer(wiring.Signature):
    """Check bits and CRC of a cluster that is to be written, as who writes it sees them.

    Members
    -------
    word, en: its eight words, in whichever cycles, 0 in others; meanwhile no word of the memory is taken.
    check, check_en: check bits of a word, 2 cycles after it was there.
    crc, crc_en: the CRC of all eight, 4 cycles after the last one.
    """

    def __init__(self):
        super().__init__({"word": Out(WORD_BITS), "en": Out(1),
                          "check": In(CHECK_BITS), "check_en": In(1), "crc": In(32), "crc_en": In(1)})


class Checker(wiring.Component):
    """One word a cycle: the syndrome is found, then the word corrected, then its CRC taken.

    Between the words of blocks it makes check bits and CRC of a cluster that is to be written.

    Members
    -------
    block: what the next words are.
    verify_crc: which CRC the oldest of the blocks to verify must have.
    i: the words of the memory. hold: none is taken.
    word, en, purpose, mark: a wanted word, 3 cycles after it was taken; with the last word of its block.
    verdict, judged: on the block, 2 cycles after its ``mark``; before the next one's.
    corrected: a word had to be corrected (strobe).
    sealer: `Sealer`.
    """

    def __init__(self):
        super().__init__({
            "block": In(stream.Signature(Block)), "verify_crc": In(32),
            "i": In(stream.Signature(WORD_BITS)), "hold": In(1),
            "word": Out(WORD_BITS), "en": Out(1), "purpose": Out(Purpose), "mark": Out(1),
            "verdict": Out(Verdict), "judged": Out(1), "corrected": Out(1),
            "sealer": In(Sealer()),
        })

    def elaborate(self, platform):
        m = Module()
        block, sealer = self.block.payload, self.sealer
        of = [Signal(Block, name=f"of_{stage}") for stage in ("taken", "syndrome", "found", "done")]
        at_data, index = Signal(), Signal(LENGTH_BITS)
        seals = Signal(range(CLUSTER))      # words sealed
        checks = Signal(CHECK_BITS * CLUSTER)
        take, is_header, last = Signal(), Signal(), Signal()
        data_now, header_now = Signal(), Signal()
        header = Header(self.i.payload)
        taken, syndrome_of, found = (Signal(_Stage, name=name) for name in ("taken", "syndrome_of", "found"))
        check, checked, protected, syndrome = Signal(CHECK_BITS), Signal(CHECK_BITS), Signal(), Signal(CHECK_BITS)
        m.d.comb += [
            take.eq(self.i.valid & self.i.ready),
            self.i.ready.eq(self.block.valid & ~sealer.en & ~self.hold),
            checked.eq(check_bits(taken.word)), sealer.check_en.eq(syndrome_of.seal),
            is_header.eq(~at_data & ~block.raw),
            data_now.eq(~is_header & ~sealer.en), header_now.eq(is_header & ~sealer.en),
            last.eq(~is_header & (index + 1 == block.words)),
            self.block.ready.eq(take & last),
        ]
        m.d.sync += seals.eq(seals + sealer.en)
        with m.If(take):
            with m.If(is_header):
                m.d.sync += [at_data.eq(1), checks.eq(self.i.payload)]
            with m.Else():
                m.d.sync += [index.eq(Mux(last, 0, index + 1)), checks.eq(checks >> CHECK_BITS)]
                with m.If(last):
                    m.d.sync += at_data.eq(0)
        m.d.sync += [
            taken.valid.eq(take), taken.header.eq(is_header),
            taken.last.eq(Mux(sealer.en, seals == CLUSTER - 1, last)),
            taken.start.eq(Mux(sealer.en, seals == 0, is_header | block.raw & (index == 0))),
            taken.seal.eq(sealer.en),
            taken.wanted.eq(~is_header & (index >= block.skip) & (index < block.until)),
            taken.word.eq(sealer.word | Mux(data_now, self.i.payload, Mux(header_now, header.crc, 0))),
            check.eq(Mux(is_header, header.crc_check, checks[:CHECK_BITS])),
            protected.eq((is_header | ~block.tile & ~block.raw) & ~sealer.en),
            syndrome_of.eq(taken), sealer.check.eq(checked), syndrome.eq(Mux(protected, checked ^ check, 0)),
            found.eq(syndrome_of), found.word.eq(corrected(syndrome_of.word, syndrome)),
        ]
        one, two = Signal(), Signal()
        odd = syndrome.xor()
        m.d.sync += [one.eq(odd & syndrome_of.valid), two.eq(syndrome.any() & ~odd)]

        m.submodules.crc = crc = Crc32()
        expected, bad, fixed, done = Signal(32), Signal(), Signal(), Signal()
        m.d.comb += [
            crc.data.eq(found.word), crc.valid.eq(found.valid & ~found.header | found.seal),
            crc.start.eq((found.valid | found.seal) & found.start), crc.message.eq(found.seal),
            sealer.crc.eq(crc.crc[1]),
            self.word.eq(found.word), self.en.eq(found.valid & found.wanted), self.purpose.eq(of[2].purpose),
            self.mark.eq(found.valid & found.last), self.corrected.eq(one),
        ]
        m.d.sync += [done.eq(self.mark), sealer.crc_en.eq(found.seal & found.last)]
        with m.If(found.valid):
            m.d.sync += [bad.eq(two | bad & ~found.start), fixed.eq(one | fixed & ~found.start)]
            with m.If(found.header):
                m.d.sync += expected.eq(found.word)
        judged = of[-1]
        m.d.sync += [stage.eq(before) for stage, before in zip(of, (block, *of), strict=False)]
        m.d.sync += [
            self.judged.eq(done), self.verdict.block.eq(judged), self.verdict.fixed.eq(fixed),
            self.verdict.crc.eq(expected),
            self.verdict.good.eq(judged.raw | ~bad & (crc.crc[0] ^ judged.addr == expected)
                                 & ((judged.purpose != Purpose.VERIFY) | (expected == self.verify_crc))),
        ]
        return m
