"""The node as a model of its own: compiled once, and the same code for every node of every chip that has such nodes."""

from pathlib import Path

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Instance, Module, ResetSignal, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node, NodePorts

__all__ = ["SOURCES", "NodeModel", "PackedNode"]

SOURCES = tuple(Path(__file__).with_name(name) for name in ("node_model.v", "node_model.cpp"))
"""What a Verilator build needs besides the Verilog of a design with `NodeModel` and the library of `PackedNode`."""


WORD = 32


def _ports(flow: wiring.Flow, node: wiring.Component) -> Value:
    """All ports of ``node`` with this direction: narrow ones together, each wide one in whole C++ words of its own."""
    values = [Value.cast(value) for _, member, value in node.signature.flatten(node) if member.flow == flow]
    wide = [value for value in values if len(value) > WORD]
    parts = [Cat(value for value in values if len(value) <= WORD), *wide]
    return Cat(Cat(part, Signal(-len(part) % WORD, name="padding")) for part in parts)


class PackedNode(wiring.Component):
    """A `Node` whose inputs and outputs are a word each, as node_model.cpp wants them.

    Inputs and reset are taken at an edge of a clock of their own. Verilator evaluates twice a cycle what follows from a
    port, and what follows from a register only when it changes.
    """

    def __init__(self, config: ChipConfig):
        self._node = Node(config, gated=True)
        super().__init__({"inputs": In(len(_ports(In, self._node))), "outputs": Out(len(_ports(Out, self._node))),
                          "reset": In(1), "changed": In(1), "reset_changed": In(1)})

    def elaborate(self, platform):
        m = Module()
        held_inputs, held_reset = Signal.like(self.inputs, name="held_inputs"), Signal()
        m.domains += [ClockDomain(name, local=True, reset_less=True) for name in ("inputs", "reset")]
        m.domains += ClockDomain("node", local=True)
        m.d.inputs += held_inputs.eq(self.inputs)
        m.d.reset += held_reset.eq(self.reset)
        m.submodules.node = DomainRenamer("node")(self._node)
        m.d.comb += [
            ClockSignal("inputs").eq(self.changed), ClockSignal("reset").eq(self.reset_changed),
            ClockSignal("node").eq(ClockSignal()), ResetSignal("node").eq(held_reset),
            _ports(In, self._node).eq(held_inputs), self.outputs.eq(_ports(Out, self._node)),
        ]
        return m


class NodeModel(wiring.Component):
    """A node of which another model knows the inside. Simulation only; a Verilator build needs `SOURCES`.

    Every output of a node comes from registers alone, so it is enough that the two meet once a cycle.
    """

    def __init__(self):
        super().__init__(NodePorts())

    def elaborate(self, platform):
        m = Module()
        inputs, outputs = _ports(In, self), _ports(Out, self)
        m.submodules.model = Instance(
            "dojang_node_model", p_INPUTS=len(inputs), p_OUTPUTS=len(outputs),
            i_clk=ClockSignal(), i_rst=ResetSignal(), i_inputs=inputs, o_outputs=outputs)
        return m
