"""Verilog of a component, in the form that Verilator simulates as meant."""

import re

from amaranth.back import verilog
from amaranth.lib.wiring import Component

__all__ = ["to_verilog"]

# A signal of which some bits are constant and others are assigned in branches comes out with a combinational block
# of one constant assignment, which Verilator never runs (ALWNEVER): an initial block does what is meant.
_CONSTANT_BLOCK = re.compile(r"always @\*\n(\s+[^\n=]+ = \d+'[hbd][0-9a-fx_]+;)")


def to_verilog(component: Component, name: str) -> str:
    """Verilog with top module ``name``."""
    text = verilog.convert(component, name=name, strip_internal_attrs=True)
    return _CONSTANT_BLOCK.sub(r"initial\n\1", text)
