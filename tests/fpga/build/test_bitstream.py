"""The stages of a bitstream: order, keeping, seeds, failures; with tools that cost nothing."""

import os

import pytest
from dojang_fpga.build.stage import Stage, digest
from dojang_fpga.tools import ToolError


def test_all_stages_and_their_figures(make):
    result = make()
    assert make.calls == ["yosys", "nextpnr 1", "ecppack"]
    assert result.path.read_text() == "bits of config of seed 1" and result.path.name == "board-ulx3s.bit"
    assert result.timing_met
    figures = result.figures
    assert figures["clocks"] == {"sync": {"constraint_mhz": 75.0, "fmax_mhz": 80.0},
                                 "init": {"constraint_mhz": 25.0, "fmax_mhz": 90.0}}
    assert [figures[name] for name in ("comb", "ff", "dsp", "bram", "seed", "board", "chip", "baud")] == [
        7, 7, 7, 7, 1, "ulx3s", "board-ulx3s", 3_000_000]
    assert figures["available"] == {"comb": 84000, "ff": 84000, "dsp": 156, "bram": 208}
    # 16 bits at 120 MHz; one lane of 32 bits at 60 MHz.
    assert figures["peak_bytes_per_s"] == 240e6 and figures["dram_bits_per_s"] == 1.92e9
    assert figures["plane_bits_per_s"] == 1.92e9
    assert list(figures["seconds"]) == ["netlist", "synthesis", "place_and_route", "pack"]


def test_nothing_is_made_twice(make):
    first = make()
    again = make(seeds=(1, 2))
    assert make.calls == [] and again.figures == first.figures


def test_a_changed_design_is_made_anew(make):
    make()
    make.design = "another design"
    make()
    # What came out was the same, so there is nothing new to pack.
    assert make.calls == ["yosys", "nextpnr 1"]


def test_seeds_are_tried_in_order_until_one_is_fast_enough(make):
    result = make(seeds=(5, 2, 9, 1), mhz={"5": 70.0, "2": 74.9, "9": 75.0, "1": 99.0})
    assert make.calls == ["yosys", "nextpnr 5", "nextpnr 2", "nextpnr 9", "ecppack"]
    assert result.figures["seed"] == 9 and result.timing_met


def test_the_best_of_slow_ones_becomes_a_bitstream_that_does_not_meet_timing(make):
    result = make(seeds=(1, 2, 3), mhz={"1": 70.0, "2": 74.0, "3": 72.0})
    assert result.figures["seed"] == 2 and not result.timing_met and not result.figures["timing_met"]
    assert result.path.read_text() == "bits of config of seed 2"


@pytest.mark.parametrize("synchronous, ns, met", [(True, 13.5, False), (True, 13.2, True), (False, 50, True)])
def test_the_way_between_two_clocks_has_the_faster_ones_time_if_they_are_one_plls(make, synchronous, ns, met):
    make.synchronous = synchronous
    paths = [("init", "$glbnet$clk", ns), ("$glbnet$clk", "$glbnet$clk", 99), ("<async>", "init", 99)]
    result = make(paths=paths)
    assert result.timing_met == met
    crossing = {"init to sync": {"constraint_mhz": 75.0, "fmax_mhz": round(1e3 / ns, 2)}} if synchronous else {}
    assert result.figures["clocks"] == {"sync": {"constraint_mhz": 75.0, "fmax_mhz": 80.0},
                                        "init": {"constraint_mhz": 25.0, "fmax_mhz": 90.0}, **crossing}


def alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def test_two_seeds_side_by_side_and_the_slower_one_is_stopped(make, tmp_path):
    steps = []
    result = make(seeds=(1, 2), together=2, mhz={"1": 80.0, "2": 80.0}, sleep={"1": 60, "2": 2}, progress=steps.append)
    assert result.figures["seed"] == 2
    assert any("seed 1 and 2" in step and "Routing the world" in step for step in steps)
    assert not alive((tmp_path / "pid1").read_text())
    # What it had done was not kept.
    make(seeds=(1,), mhz={"1": 80.0})
    assert make.calls == ["nextpnr 1", "ecppack"]


@pytest.mark.parametrize("tool, log", [("yosys", "yosys.log"), ("nextpnr", "nextpnr.log"), ("ecppack", "ecppack.log")])
def test_a_failure_names_its_log_and_is_not_kept(make, tool, log):
    with pytest.raises(ToolError, match=f"{tool} ended with code 3 .log: .*{log}.") as error:
        make(fails=tool)
    path = str(error.value).split("log: ")[1].rstrip(")")
    with open(path) as file:
        assert file.read() == "out of luck\n"
    make()
    assert tool in " ".join(make.calls)


def test_an_interrupted_stage_is_stopped_and_made_anew(make, tmp_path):
    def interrupt(step):
        if step.startswith("place") and (tmp_path / "pid1").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(sleep={"1": 60}, progress=interrupt)
    assert make.calls == ["yosys", "nextpnr 1"] and not alive((tmp_path / "pid1").read_text())
    make()
    assert make.calls == ["nextpnr 1", "ecppack"]


def test_a_named_tool_that_is_not_there(make, monkeypatch):
    monkeypatch.setenv("ECPPACK", "/nowhere/ecppack")
    with pytest.raises(ToolError, match="ECPPACK=/nowhere/ecppack names no program that can be started"):
        make()
    assert make.calls == []


def test_a_stage_is_known_by_content(tmp_path):
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    a, b, c = (Stage(tmp_path, "stage", "tool", tmp_path / name).folder for name in "abc")
    assert a == b != c
    assert digest("ab", "c") != digest("a", "bc") != digest("abc")
