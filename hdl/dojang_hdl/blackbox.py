"""Instantiates a component by name, so that its netlist is emitted once however often it is used."""

from amaranth.hdl import ClockSignal, Instance, Module, ResetSignal, Value
from amaranth.lib import wiring

__all__ = ["BlackBox"]


class BlackBox(wiring.Component):
    """An instance of the module ``name``, which was converted on its own from a component with this ``signature``."""

    def __init__(self, signature: wiring.Signature, name: str):
        self._name = name
        super().__init__(signature)

    def elaborate(self, platform):
        m = Module()
        ports: dict[str, object] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            direction = "o" if member.flow == wiring.Out else "i"
            ports[f"{direction}_{'__'.join(map(str, path))}"] = Value.cast(value)
        m.submodules.instance = Instance(self._name, **ports)
        return m
