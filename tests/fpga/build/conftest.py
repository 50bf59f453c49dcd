"""A small design and tools that cost nothing."""

import json
import sys
from pathlib import Path

import dojang_fpga.build.bitstream
import pytest
from dojang_fpga.boards import board
from dojang_fpga.build import Netlist, build

FAKE = Path(__file__).with_name("fake_tools.py")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Runs `build` with the given plan of `fake_tools`; ``make.calls`` are the tools that were called."""
    calls, target = tmp_path / "calls", board("ulx3s")
    for variable, tool in (("YOSYS", "yosys"), ("NEXTPNR_ECP5", "nextpnr"), ("ECPPACK", "ecppack")):
        monkeypatch.setenv(variable, f"{sys.executable} {FAKE} {tool}")

    def netlist(board, config, baud, root, progress):
        (tmp_path / "top.il").write_text(make.design)
        (tmp_path / "top.lpf").write_text("pins")
        return Netlist(tmp_path / "top.il", (), tmp_path / "top.lpf", ("--85k",), 75e6, make.synchronous, 1.5)

    def make(seeds=(1,), together=1, progress=lambda step: None, **plan):
        calls.write_text("")
        monkeypatch.setenv("FAKE", json.dumps({"calls": str(calls), "mhz": {"1": 80.0}, **plan}))
        try:
            return build(target, target.chip(), target.baud(), seeds, tmp_path / "out", tmp_path / "stages", together,
                         progress)
        finally:
            make.calls = [line.split()[0] + (f" {line.split('--seed ')[1].split()[0]}" if "--seed" in line else "")
                          for line in calls.read_text().splitlines()]

    make.design, make.synchronous, make.stages = "a design", False, tmp_path / "stages"
    monkeypatch.setattr(dojang_fpga.build.bitstream, "netlist", netlist)
    return make
