"""Where a block lies in the memory."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import MemoryCommand
from .layout import CLUSTER

__all__ = ["Locator", "Place"]

Place = data.StructLayout({"write": 1, "raw": 1, "addr": 32, "length": 9})
"""`length` data words from word address `addr` on; all of the blocks they touch, up to the last word of tiles."""

_CLUSTER_BITS = (CLUSTER - 1).bit_length()


class Locator(wiring.Component):
    """Turns data words into words of the memory, headers included. A command every five cycles.

    Parameters
    ----------
    tile: data words of a tile, a power of two.

    Members
    -------
    tiles_end: first address behind the tiles, a multiple of a tile; must rest while there are places.
    i: In stream of `Place`.
    o: Out stream of `MemoryCommand`, of up to 297 words for 256 of clusters, up to 511 for tiles: the last word is at
        most the 509th of its first tile and those behind.
    """

    def __init__(self, tile: int):
        self._tile_bits = (tile - 1).bit_length()
        super().__init__({"tiles_end": In(32), "i": In(stream.Signature(Place)),
                          "o": Out(stream.Signature(MemoryCommand))})

    def elaborate(self, platform):
        m = Module()
        bits = self._tile_bits
        place, in_tiles, rest = Signal(Place), Signal(), Signal(32)
        base = Signal(32)               # of the clusters
        span = Signal(10)               # data words from the beginning of the first block
        first = Signal(32)
        command = self.o.payload
        m.d.sync += base.eq(self.tiles_end + (self.tiles_end >> bits))
        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += place.eq(self.i.payload)
                with m.If(self.i.valid):
                    m.next = "AREA"
            with m.State("AREA"):
                m.d.sync += [in_tiles.eq(place.addr < self.tiles_end), rest.eq(place.addr - self.tiles_end)]
                m.next = "BLOCK"
            with m.State("BLOCK"):
                tile, cluster = place.addr >> bits, rest >> _CLUSTER_BITS
                m.d.sync += [
                    first.eq(Mux(in_tiles, Cat(place.addr[:bits] & 0, tile) + tile,
                                 Cat(rest[:_CLUSTER_BITS] & 0, cluster) + cluster)),
                    span.eq(Mux(in_tiles, place.addr[:bits], rest[:_CLUSTER_BITS]) + place.length),
                ]
                m.next = "WORDS"
            with m.State("WORDS"):
                clusters = (span + (CLUSTER - 1)) >> _CLUSTER_BITS
                m.d.sync += [
                    command.write.eq(place.write), command.addr.eq(first + Mux(in_tiles, 0, base)),
                    command.length.eq(Mux(in_tiles, span + ((span + ((1 << bits) - 1)) >> bits),
                                          Cat(rest[:_CLUSTER_BITS] & 0, clusters) + clusters)),
                ]
                with m.If(place.raw):
                    m.d.sync += [command.addr.eq(place.addr), command.length.eq(place.length)]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m
