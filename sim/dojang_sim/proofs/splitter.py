"""The splitter makes of every command pieces of rows that are its words, each once, in order."""

from amaranth.hdl import Assert, Cat, Module, Mux, Signal
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.splitter import PAGE_WORDS, Splitter
from dojang_hdl.lpddr4.timing import BANKS
from dojang_hdl.memory import LENGTH_BITS, MemoryCommand

from .contracts import sound_piece
from .prove import Harness

__all__ = ["SplitterWords"]


class SplitterWords(Harness):
    """Any commands, a receiver that is ready at any time.

    The harness keeps the commands whose words have not left: the one whose pieces leave, and the next.
    """

    inside = {"write": "splitter.write", "addr": "splitter.addr", "left": "splitter.left"}

    def __init__(self, rows: int = 1 << 13, splitter: type[Splitter] = Splitter):
        self._rows, self._splitter = rows, splitter
        self._addr = range(rows * BANKS * PAGE_WORDS)
        super().__init__({"command": In(MemoryCommand), "valid": In(1), "ready": In(1), "write": In(1),
                          "addr": In(self._addr), "left": In(LENGTH_BITS)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.splitter = splitter = self._splitter(self._rows)
        piece = splitter.o.payload
        accepted, leaves = Signal(), Signal()
        m.d.comb += [
            splitter.i.valid.eq(self.valid), splitter.i.payload.eq(self.command), splitter.o.ready.eq(self.ready),
            accepted.eq(self.valid & splitter.i.ready & (self.command.length != 0)),
            leaves.eq(splitter.o.valid & self.ready),
        ]
        # The oldest command that has words, and the one after it
        write, addr, words = Signal(), Signal(self._addr), Signal(LENGTH_BITS)
        next_write, next_addr, next_words = Signal(), Signal(self._addr), Signal(LENGTH_BITS)
        rest, at_row_end = Signal(LENGTH_BITS), Signal()
        m.d.comb += [rest.eq(words - Mux(leaves, piece.words, 0)),
                     at_row_end.eq((piece.word + piece.words) == PAGE_WORDS)]
        with m.If(splitter.o.valid):
            m.d.comb += [
                Assert(sound_piece(piece), "words of one row"),
                Assert(piece.words <= words, "that are wanted"),
                Assert((piece.words == words) | at_row_end, "as many as there are in the row"),
                Assert((Cat(piece.word, piece.bank, piece.row)[:len(addr)] == addr) & (piece.write == write),
                       "from where the last one ended"),
            ]
        m.d.comb += Assert(~accepted | (rest == 0) | (next_words == 0), "no third command")
        with m.If(rest != 0):
            m.d.sync += [words.eq(rest), addr.eq(addr + (words - rest))]
            with m.If(accepted):
                m.d.sync += [next_write.eq(self.command.write), next_addr.eq(self.command.addr),
                             next_words.eq(self.command.length)]
        with m.Elif(next_words != 0):
            m.d.sync += [write.eq(next_write), addr.eq(next_addr), words.eq(next_words), next_words.eq(0)]
            with m.If(accepted):
                m.d.sync += [next_write.eq(self.command.write), next_addr.eq(self.command.addr),
                             next_words.eq(self.command.length)]
        with m.Else():
            m.d.sync += [write.eq(self.command.write), addr.eq(self.command.addr),
                         words.eq(Mux(accepted, self.command.length, 0))]

        # Where the words are: in the piece, and in the command it was cut from or the next one
        shown = Mux(splitter.o.valid, piece.words, 0)
        with m.If(next_words != 0):
            m.d.comb += Assert((shown == words) & (self.left == next_words) & (self.addr == next_addr)
                               & (self.write == next_write), "the next command waits")
        with m.Elif(words != shown):
            m.d.comb += Assert((self.left == words - shown) & (self.addr == (addr + shown)[:len(addr)])
                               & (self.write == write), "the rest of the command waits")
        with m.Else():
            m.d.comb += Assert(self.left == 0, "nothing waits")
        return m
