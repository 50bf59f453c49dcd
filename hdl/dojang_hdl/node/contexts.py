"""What a node knows of the contexts of a pass."""

from amaranth.hdl import Module
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .. import isa
from ..mesh.flit import ContextLayout

__all__ = ["ContextRegisters", "ToldContext"]

ToldContext = data.StructLayout({"context": isa.CONTEXT_BITS, "registers": ContextLayout})
"""A context's number and registers, as a CONTEXT flit has them."""


class ContextRegisters(wiring.Component):
    """The registers of each context, kept until it is told again; undefined before.

    Parameters
    ----------
    contexts: how many there are.

    Members
    -------
    told: stream of `ToldContext`, always ready; of a context that there is.
    context, registers: that context's, as of the cycle before, in the same cycle.
    """

    def __init__(self, contexts: int):
        self._contexts = contexts
        super().__init__({
            "told": In(stream.Signature(ToldContext)),
            "context": In(isa.CONTEXT_BITS), "registers": Out(ContextLayout),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=ContextLayout, depth=self._contexts, init=[])
        write, read = words.write_port(), words.read_port(domain="comb")
        told = self.told.payload
        m.d.comb += [
            self.told.ready.eq(1), write.en.eq(self.told.valid), write.addr.eq(told.context),
            write.data.eq(told.registers), read.addr.eq(self.context), self.registers.eq(read.data),
        ]
        return m
