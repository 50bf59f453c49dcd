"""Where a block lies in the memory."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..memory import LENGTH_BITS, MemoryCommand
from ..streams.first import take_first
from .layout import CLUSTER, SHORT

__all__ = ["Locator", "Place"]

Place = data.StructLayout({"write": 1, "raw": 1, "tile": 1, "addr": 32, "length": LENGTH_BITS})
"""`length` data words from word address `addr` on, of tiles or not; all of the blocks they touch, but a last tile of
which more than `SHORT` are wanted only up to the last of these. raw: these words of the memory as it is.
"""

_CLUSTER_BITS = (CLUSTER - 1).bit_length()


class Locator(wiring.Component):
    """Turns data words into words of the memory, headers included. A command every four cycles.

    Parameters
    ----------
    tile: data words of a tile, a power of two.
    sources: who has places.

    Members
    -------
    tiles_end: first address behind the tiles, a multiple of a tile; must rest while there are places.
    i: In streams of `Place`, those of earlier sources first. hold: nothing is taken from the last one.
    idle: the next one may be taken.
    o: Out stream of `MemoryCommand`, of up to 297 words for 256 of clusters, up to 514 for 256 of tiles of 256.
    """

    def __init__(self, tile: int, sources: int):
        self._tile_bits = (tile - 1).bit_length()
        super().__init__({"tiles_end": In(32), "i": In(stream.Signature(Place)).array(sources), "hold": In(1),
                          "idle": Out(1), "o": Out(stream.Signature(MemoryCommand))})

    def elaborate(self, platform):
        m = Module()
        bits = self._tile_bits
        place = Signal(Place)
        base = Signal(32)               # 0 or, of clusters, what precedes the header of the one at address 0
        span = Signal(LENGTH_BITS)              # data words from the beginning of the first block
        first, short = Signal(32), Signal()
        command = self.o.payload
        plain = place.raw | place.tile
        valid, payload = take_first(m, self.i, self.idle, self.hold)
        m.d.sync += base.eq((self.tiles_end >> bits) - (self.tiles_end >> _CLUSTER_BITS))
        with m.If(plain):
            m.d.sync += base.eq(0)

        def chosen(tile, cluster, raw=0):
            return Mux(place.raw, raw, Mux(place.tile, tile, cluster))

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.idle.eq(1)
                m.d.sync += place.eq(payload)
                with m.If(valid):
                    m.next = "BLOCK"
            with m.State("BLOCK"):
                offset = chosen(place.addr[:bits], place.addr[:_CLUSTER_BITS])
                m.d.sync += [
                    first.eq(Cat(place.addr[:bits] & ~offset, place.addr[bits:])
                             + chosen(place.addr >> bits, place.addr >> _CLUSTER_BITS)),
                    span.eq(offset + place.length), short.eq(place.length <= SHORT),
                ]
                m.next = "WORDS"
            with m.State("WORDS"):
                rounded = span + Mux(place.tile, (1 << bits) - 1, CLUSTER - 1)
                blocks = chosen(rounded >> bits, rounded >> _CLUSTER_BITS)
                few = short | (span[:bits] <= SHORT)
                m.d.sync += [
                    command.write.eq(place.write), command.addr.eq(first + base),
                    command.length.eq(Mux(place.raw | place.tile & ~few, span, chosen(
                        Cat(rounded[:bits] & 0, rounded[bits:]),
                        Cat(rounded[:_CLUSTER_BITS] & 0, rounded[_CLUSTER_BITS:]))) + blocks),
                ]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += self.o.valid.eq(1)
                with m.If(self.o.ready):
                    m.next = "IDLE"
        return m
