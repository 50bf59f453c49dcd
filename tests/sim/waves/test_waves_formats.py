"""Number formats, code names and the float program of GTKWave save files, and what is hidden from waveforms."""

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import dojang_sim.waves
import pytest
from dojang_hdl import isa
from dojang_hdl.config import preset
from dojang_hdl.node.instruction import Unit
from dojang_hdl.node.resolver import Resolver
from dojang_sim.waves import hide_internal
from dojang_sim.waves.formats import DECIMAL, FP16, FP32, HEX, Filters, codes_of, fsm_states
from dojang_sim.waves.vcd import read_header

FILTER = Path(dojang_sim.waves.__file__).with_name("float_filter.py")


@pytest.mark.parametrize("name, lines, expected", [
    ("fp32", ["3f800000", "C0490FDB", "7f800000", "ffc00000", "00000001"],
     ["1", "-3.141593", "inf", "nan", "1.401298e-45"]),
    ("fp32", ["4080000040400000400000003f800000"], ["1  2  3  4"]),
    ("fp16", ["3c00", "7bff", "c000bc00", "0001"], ["1", "65504", "-1  -2", "5.960464e-08"]),
    ("fp32", ["xxxxxxxx", "3f8000", ""], ["xxxxxxxx", "3f8000", ""]),
])
def test_float_filter_answers_line_by_line(tmp_path, name, lines, expected):
    shutil.copy(FILTER, tmp_path / name)
    command = [sys.executable, tmp_path / name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for line, answer in zip(lines, expected, strict=True):  # GTKWave waits for each answer before the next value
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert process.stdout.readline().rstrip("\n").replace("-nan", "nan") == answer
        process.stdin.close()
        assert process.wait(10) == 0


def test_floats_are_those_of_struct(tmp_path):
    values = [0.1, -2.5e-30, 3e38]
    text = "\n".join(struct.pack(">f", value).hex() for value in values)
    shutil.copy(FILTER, tmp_path / "fp32")
    output = subprocess.run([sys.executable, tmp_path / "fp32"], input=text, text=True, capture_output=True, check=True)
    assert [float(line) for line in output.stdout.split()] == pytest.approx(values, rel=1e-6)


def test_code_files_hold_the_names_of_the_design(tmp_path):
    filters = Filters(tmp_path / "w-filters")
    assert filters.options(codes_of(isa.Op), 8) == {
        "datafmt": "hex", "translate_filter_file": "w-filters/Op_8.txt"}
    lines = (tmp_path / "w-filters" / "Op_8.txt").read_text().splitlines()
    assert "06 GEMV" in lines and "0d END" in lines and len(lines) == len(isa.Op)
    filters.options(codes_of(isa.Op), 3)  # GTKWave compares text: as many digits as the signal has, and no more codes
    assert (tmp_path / "w-filters" / "Op_3.txt").read_text().splitlines()[-1] == "7 VEC"


def test_plain_classes_and_states_have_names_too():
    assert [name for _, name in codes_of(Unit).table] == ["ENGINE", "VECTOR", "MOVER", "CANDIDATES", "STREAMS"]
    states = dict(fsm_states(Resolver(preset("small-node"))).table)
    assert states[0] == "IDLE" and "DRAIN" in states.values() and len(set(states.values())) == len(states)


def test_floats_share_one_program_each(tmp_path):
    filters = Filters(tmp_path / "f")
    assert filters.options(FP32, 128) == filters.options(FP32, 32) == {
        "datafmt": "hex", "translate_filter_proc": "f/fp32"}
    assert filters.options(FP16, 16)["translate_filter_proc"] == "f/fp16"
    assert all((tmp_path / "f" / name).stat().st_mode & 0o111 for name in ("fp16", "fp32"))
    assert filters.options(DECIMAL, 16) == {"datafmt": "dec"} and filters.options(HEX, 1) == {"datafmt": "bin"}


def test_header(tmp_path):
    (tmp_path / "a.vcd").write_text(
        "$timescale 1ps $end\n$scope module TOP $end\n $var wire 1 ! clk $end\n $scope module unit $end\n"
        "  $var wire 8 # head.op [7:0] $end\n  $var wire 32 $ tokens[0] [31:0] $end\n $upscope $end\n"
        " $var wire 4 % after [3:0] $end\n$upscope $end\n$enddefinitions $end\n\n#8360\n0!\n#8361\n1!\n")
    header = read_header(tmp_path / "a.vcd")
    assert header.widths == {"TOP.clk": 1, "TOP.unit.head.op": 8, "TOP.unit.tokens[0]": 32, "TOP.after": 4}
    assert header.names["TOP.unit.head.op"] == "TOP.unit.\\head.op[7:0]"
    assert header.names["TOP.clk"] == "TOP.clk" and header.start == 8360


def test_internal_names_are_hidden():
    text = "assign \\$auto$x.cc:194:y$1  = \\running$15 & $signed(a) ? \\$3 : b;"
    assert hide_internal(text) == "assign \\_$auto$x.cc:194:y$1  = \\running$15 & $signed(a) ? \\_$3 : b;"
