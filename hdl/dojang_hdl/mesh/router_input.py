"""An input of a router: keeps flits with the outputs that they still have to leave through."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["RouterInput"]


class RouterInput(wiring.Component):
    """Holds up to two flits. One flit per cycle.

    The flits stay where they were written: what the outputs decide late in the cycle reaches only pointers and flags,
    never the wide registers. `left` is a register, for the decision begins with it.

    Parameters
    ----------
    shape: shape of a flit; its ``more``: it belongs to the same round as the flit before it, see `RoundArbiter`.
    outputs: number of outputs a flit can leave through.

    Members
    -------
    i: the flits; ``i.ready`` is a register.
    route: the outputs of the flit at ``i``, one bit each; of a flit without any nothing is heard again.
    valid: a flit is held; a register.
    flit: the oldest flit, one multiplexer from its register.
    left: the outputs that ``flit`` still has to leave through; 0 when there is no flit. A flit that comes in cycle t
        is seen at t + 1.
    more: for each output in ``left``: ``flit`` belongs to the same round as the flit before it to that output.
    served: those of ``left`` that it leaves through in this cycle.
    """

    latency = 1

    def __init__(self, shape, outputs: int):
        super().__init__({"i": In(stream.Signature(shape)), "route": In(outputs), "valid": Out(1),
                          "flit": Out(shape), "left": Out(outputs), "more": Out(outputs),
                          "served": In(outputs)})

    def elaborate(self, platform):
        m = Module()
        words = [Signal.like(self.flit, name=f"word{index}") for index in range(2)]
        write, read = Signal(), Signal()   # the words' numbers
        full = Signal()                    # two flits
        second, second_more = Signal.like(self.route), Signal.like(self.route)   # of the younger one
        fresh = Signal.like(self.route, init=-1)   # outputs that no flit of the present round went to
        more = Signal.like(self.route)
        put, take, still_left = Signal(), Signal(), Signal.like(self.left)
        m.d.comb += [
            self.i.ready.eq(~full), put.eq(self.i.valid & ~full),
            still_left.eq(self.left & ~self.served), take.eq(self.valid & ~still_left.any()),
            self.flit.eq(Mux(read, words[1], words[0])),
            more.eq(self.i.payload.more.replicate(len(fresh)) & ~fresh),
        ]
        with m.If(still_left.any()):
            m.d.sync += self.left.eq(still_left)
        with m.Else():
            m.d.sync += [self.left.eq(Mux(full, second, Mux(put, self.route, 0))),
                         self.more.eq(Mux(full, second_more, more))]
        with m.If(put):
            m.d.sync += [second.eq(self.route), second_more.eq(more), fresh.eq(~more & ~self.route),
                         write.eq(~write)]
        for index, word in enumerate(words):
            with m.If(put & (write == index)):
                m.d.sync += word.eq(self.i.payload)
        with m.If(take):
            m.d.sync += read.eq(~read)
        with m.If(put & ~take):
            m.d.sync += [self.valid.eq(1), full.eq(self.valid)]
        with m.Elif(take & ~put):
            m.d.sync += [self.valid.eq(full), full.eq(0)]
        return m
