"""One step of the vector pipeline: an arithmetic pipeline that a command may go around."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .command import Beat

__all__ = ["Stage"]


class Stage(wiring.Component):
    """Sends elements through ``unit`` if ``use`` is high, otherwise past it in no time; b accompanies x either way.

    Parameters
    ----------
    unit: a pipeline of `dojang_hdl.arith` with one more operand port beside ``a``.
    second: name of that other port.
    carry: whether ``o.b`` is wanted; without, it is 0.

    Members
    -------
    use: constant from the first element of a command to the last.
    i: elements, at most one per cycle.
    y: the other port's value, in the cycle of its element.
    o: elements in the same order, unregistered.
    """

    def __init__(self, unit, second: str, *, carry: bool = True):
        self._unit = unit
        self._second = second
        self._carry = carry
        super().__init__({
            "use": In(1), "i": In(Beat), "y": In(unit.signature.members[second].shape), "o": Out(Beat),
        })

    @property
    def latency(self) -> int:
        """Cycles of an element that does not go around."""
        return self._unit.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.unit = unit = self._unit
        latency = unit.latency
        m.d.comb += [unit.a.eq(self.i.x), getattr(unit, self._second).eq(self.y)]

        flying, last = Signal(latency), Signal(latency)
        moving = Signal()
        m.d.comb += [unit.i_valid.eq(self.i.valid & self.use), moving.eq(unit.i_valid | flying.any())]
        with m.If(moving):
            m.d.sync += [flying.eq((flying << 1) | unit.i_valid), last.eq((last << 1) | self.i.last)]

        m.d.comb += [
            self.o.valid.eq(Mux(self.use, unit.o_valid, self.i.valid)),
            self.o.last.eq(Mux(self.use, last[-1], self.i.last)),
            self.o.x.eq(Mux(self.use, unit.o, self.i.x)),
        ]
        if self._carry:
            m.d.comb += self.o.b.eq(Mux(self.use, self._delayed(m, self.i.b, latency, moving), self.i.b))
        return m

    def _delayed(self, m, value, latency, moving):
        """``value`` of ``latency`` cycles ago: a ring in distributed RAM, far smaller than a shift register."""
        m.submodules.ring = ring = memory.Memory(shape=len(value), depth=latency, init=[])
        write, read = ring.write_port(), ring.read_port(domain="comb")
        at = Signal(range(latency))
        with m.If(moving):
            m.d.sync += at.eq(Mux(at == latency - 1, 0, at + 1))
        m.d.comb += [write.addr.eq(at), write.data.eq(value), write.en.eq(moving), read.addr.eq(at)]
        return read.data
