"""Cuts the commands of the memory port at row boundaries."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import LENGTH_BITS, MemoryCommand
from .timing import BANKS, PAGE_BURSTS

__all__ = ["Piece", "Splitter"]

PAGE_WORDS = 2 * PAGE_BURSTS
WORD_ADDRESS = (PAGE_WORDS - 1).bit_length()

Piece = data.StructLayout({"write": 1, "word": WORD_ADDRESS, "bank": 3, "row": 17, "words": WORD_ADDRESS + 1})
"""``words`` words (1 to 128) of one row from ``word`` on. A word address is row, bank, word from the top: a sequential
stream changes banks with every row. Banks are numbered within their port."""


class Splitter(wiring.Component):
    """One piece a cycle, in order. A command of no words makes none. Addresses wrap at the end of the memory.

    Parameters
    ----------
    rows: rows of a bank, a power of two.
    banks: banks of the port, a power of two.

    Members
    -------
    i: In stream of `MemoryCommand`.
    o: Out stream of `Piece`.
    """

    i: In(stream.Signature(MemoryCommand))
    o: Out(stream.Signature(Piece))

    def __init__(self, rows: int, banks: int = BANKS):
        self._rows, self._banks = rows, banks
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        write, left = Signal(name="write"), Signal(LENGTH_BITS, name="left")
        addr = Signal(range(self._rows * self._banks * PAGE_WORDS))
        bank_bits = (self._banks - 1).bit_length()
        room = Signal(WORD_ADDRESS + 1)     # words to the end of the row
        end = Signal(len(left) + 1)     # of the command, from the start of the row
        ends, step = Signal(), Signal()
        piece = self.o.payload
        m.d.comb += [
            room.eq(PAGE_WORDS - addr[:WORD_ADDRESS]), end.eq(addr[:WORD_ADDRESS] + left), ends.eq(end <= PAGE_WORDS),
            step.eq((left != 0) & (~self.o.valid | self.o.ready)),
            self.i.ready.eq((left == 0) | step & ends),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(step):
            m.d.sync += [
                self.o.valid.eq(1), piece.write.eq(write), piece.words.eq(Mux(ends, left, room)),
                Cat(piece.word, piece.bank[:bank_bits], piece.row).eq(addr),
                # What is left begins with a row; its words are those of ``end`` beyond this one.
                addr[:WORD_ADDRESS].eq(0), addr[WORD_ADDRESS:].eq(addr[WORD_ADDRESS:] + 1),
                left.eq(Mux(ends, 0, end - PAGE_WORDS))]
        with m.If(self.i.valid & self.i.ready):
            command = self.i.payload
            m.d.sync += [write.eq(command.write), addr.eq(command.addr), left.eq(command.length)]
        return m
