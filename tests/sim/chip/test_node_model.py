"""A node may be a model of its own: what it gives in a cycle depends on nothing that it gets in the same one."""

import re

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.config import preset
from dojang_sim.chip.node_model import PackedNode
from dojang_sim.netlist import to_verilog

NAME = re.compile(r"\\\S+|\b[A-Za-z_]\w*")
CONSTANT = re.compile(r"\d+'s?[hbd][0-9a-fA-FxXzZ?_]+")
ASSIGN = re.compile(r"^\s*assign\s+(.*?)\s=\s(.*?);$", re.MULTILINE | re.DOTALL)
ALWAYS = re.compile(r"^\s*always\w*[^\n]*", re.MULTILINE)


def reached_from(text: str, port: str) -> set[str]:
    """Names in Verilog without hierarchy to which the value of ``port`` gets without passing a register."""
    readers: dict[str, set[str]] = {}
    for target, value in ASSIGN.findall(text):
        for name in NAME.findall(CONSTANT.sub("", value)):
            readers.setdefault(name, set()).update(NAME.findall(CONSTANT.sub("", target)))
    for block in ALWAYS.findall(text):
        assert "posedge" in block, f"{block.strip()} is no register"
    found, left = set(), [port]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += readers.get(name, ())
    return found


def test_outputs_of_a_node_come_from_registers():
    """Those that it has got: what a node is given, it gets at a clock that is raised before its own."""
    found = reached_from(to_verilog(PackedNode(preset("small-node")), "packed", flatten=True), "held_inputs")
    assert len(found) > 20  # ready signals gate transfers, so inputs do reach logic
    assert "outputs" not in found


class Half(wiring.Component):
    """One output from a register, one not."""

    inputs: In(2)
    outputs: Out(2)

    def __init__(self, direct: bool):
        self._direct = direct
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.outputs[0].eq(self.inputs[0])
        if self._direct:
            m.d.comb += self.outputs[1].eq(self.inputs[1] & self.outputs[0])
        else:
            m.d.sync += self.outputs[1].eq(self.inputs[1] & self.outputs[0])
        return m


@pytest.mark.parametrize("direct", [True, False])
def test_the_search_tells_registers_from_logic(direct):
    assert ("outputs" in reached_from(to_verilog(Half(direct), "half", flatten=True), "inputs")) == direct
