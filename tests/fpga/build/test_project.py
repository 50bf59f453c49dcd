"""The projects of boards that cannot be built: their Verilog is read by Verilator, their scripts name their files."""

import re
import subprocess
from pathlib import Path

import pytest
from dojang_fpga.boards.projects import PROJECTS
from dojang_fpga.build.project import write_project
from dojang_hdl.config import preset
from dojang_sim.toolchain import build_environment

CELLS = Path(__file__).with_name("xilinx_cells.v")
STYLE = ("WIDTHEXPAND", "WIDTHTRUNC", "CASEINCOMPLETE", "UNSIGNED", "ASCRANGE", "ALWNEVER")
"""Warnings about how Amaranth writes Verilog; all others count."""


@pytest.fixture(scope="module", params=PROJECTS)
def written(request, tmp_path_factory):
    """A project with a small chip, and its folder."""
    folder = tmp_path_factory.mktemp(request.param)
    write_project(PROJECTS[request.param], folder, preset("small-node"))
    return PROJECTS[request.param], folder


def lint(*files):
    return subprocess.run(["verilator", "--lint-only", *(f"-Wno-{name}" for name in STYLE), "--top-module", "top",
                           *map(str, files)], capture_output=True, text=True, env=build_environment(), timeout=300)


def test_verilator_reads_it(written):
    _, folder = written
    result = lint(*sorted(folder.glob("*.v")), CELLS)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stderr == ""


def test_what_is_missing_has_the_ports_that_the_top_connects(written, tmp_path):
    project, folder = written
    interface = (folder / f"{project.missing[0]}.v").read_text()
    (tmp_path / "less.v").write_text(re.sub(r",\n  inout \[?.*?(?=\n\))", "", interface, count=1, flags=re.S))
    assert (tmp_path / "less.v").read_text() != interface
    result = lint(folder / "top.v", tmp_path / "less.v", CELLS)
    assert result.returncode != 0 and "PINNOTFOUND" in result.stderr


def test_scripts_name_files_and_pins(written):
    project, folder = written
    script, pins = (folder / "top.tcl").read_text(), (folder / "top.xdc").read_text()
    for name in ("top.v", f"{project.missing[0]}.v"):
        assert re.search(rf'add_files "?{name}"?\n', script)
    assert "read_xdc top.xdc" in script and "write_bitstream" in script
    top = (folder / "top.v").read_text()
    ports = set(re.findall(r'get_ports "([A-Za-z0-9_]+)', pins))
    assert len(ports) > 15
    declared = set(re.findall(r"(?m)^  (?:input|output|inout) (?:\[\d+:0\] )?(\w+);", top))
    assert ports <= declared
    assert re.search(rf"create_clock .*-period {1e9 / project.input_hz} ", pins)


def test_nothing_of_this_machine_is_in_it(written):
    _, folder = written
    assert not any(str(Path(__file__).parents[3]) in path.read_text() for path in folder.iterdir())
