"""The tables in the documents, and the figures that are kept."""

import json
from pathlib import Path

import pytest
from dojang.cli.report import DOCUMENTS, FIGURES
from dojang.cli.report import Block as BlockName
from dojang_fpga.report import BLOCKS
from dojang_fpga.table import TableError, fill, full_table, short_table, update

ROOT = Path(__file__).parents[2]

REPORT = {
    "device": "D-1", "target_mhz": 75.0, "tools": {"tool-a": "1.2"},
    "blocks": {"router": {
        "title": "a router", "fmax_mhz": 98.73, "comb": 6069, "ff": 2533, "dsp": 4, "bram": 5, "seed": 1,
        "critical_path": {"start": "x", "end": "y.z", "logic_ns": 2.5, "routing_ns": 7.5, "levels": 7}}},
}


def test_full_table():
    lines = full_table(REPORT).split("\n")
    assert lines[2] == "| `router`: a router | 98.7 | 6,069 | 2,533 | 4 | 5 | `x` → `y.z`, 7 cells | 75% |"
    assert lines[-1] == "D-1, tool-a 1.2; each block must reach 75 MHz."
    assert len({line.count("|") for line in lines[:3]}) == 1
    faster = {**REPORT, "blocks": {**REPORT["blocks"], "fast": {**REPORT["blocks"]["router"], "target_mhz": 100.0}}}
    assert full_table(faster).endswith("each block must reach 75 MHz, `fast` 100.")


def test_short_table():
    lines = short_table(REPORT).split("\n")
    assert lines[0].startswith("| on D-1 |") and lines[2] == "| a router | 99 | 6,069 | 2,533 | 4 | 5 |"


def test_only_what_is_between_the_markers_changes(tmp_path):
    document = tmp_path / "d.md"
    document.write_text("above\n<!-- fpga-short:begin -->\nold\nolder\n<!-- fpga-short:end -->\nbelow\n")
    assert update(document, REPORT)
    assert document.read_text() == (f"above\n<!-- fpga-short:begin -->\n{short_table(REPORT)}\n"
                                    "<!-- fpga-short:end -->\nbelow\n")
    assert update(document, REPORT) and document.read_text().count("a router") == 1
    document.write_text("no table")
    assert not update(document, REPORT) and document.read_text() == "no table"


@pytest.mark.parametrize("text", [
    "<!-- fpga:begin -->", "<!-- fpga:end -->", "<!-- fpga:end -->\n<!-- fpga:begin -->",
    "<!-- fpga:begin -->\n<!-- fpga:begin -->\n<!-- fpga:end -->"])
def test_broken_markers(text):
    with pytest.raises(TableError, match=r"page\.md: expected one line"):
        fill(text, REPORT, "page.md")


def test_command_knows_every_block():
    assert [block.value for block in BlockName] == list(BLOCKS)


def test_kept_figures_reach_the_target():
    report = json.loads((ROOT / FIGURES).read_text())
    assert set(report["blocks"]) == set(BLOCKS)
    assert {name: block["fmax_mhz"] for name, block in report["blocks"].items()
            if block["fmax_mhz"] < BLOCKS[name].target_mhz} == {}
    assert {name: block["title"] for name, block in report["blocks"].items()} == \
        {name: block.title for name, block in BLOCKS.items()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_documents_have_the_kept_figures(document):
    report = json.loads((ROOT / FIGURES).read_text())
    text = (ROOT / document).read_text()
    assert fill(text, report) == (text, 1)
