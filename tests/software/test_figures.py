"""The README quotes figures; they must be those of the JSON that a command made."""

import json
import re
from pathlib import Path

import pytest
from dojang.cli.bench_batch import document_table as batch_table
from dojang.cli.bench_capacity import document_table as capacity_table
from dojang.cli.bench_compression import FORMS, document_table
from dojang.cli.bench_conversions import document_table as conversions_table
from dojang.cli.bench_quality import ROWS
from dojang.cli.bench_quality import document_table as quality_table
from dojang.cli.bench_rows import document_table as rows_table
from dojang.conversions import TYPES

ROOT = Path(__file__).parents[2]


README = (ROOT / "README.md").read_text()


def figures(name):
    return json.loads((ROOT / f"docs/figures/{name}.json").read_text())


def quoted(marker):
    """The number behind a marker."""
    (number,) = re.findall(rf"<!-- {marker} -->([\d.,]+)", README)
    return number


def test_readme_quotes_decoding_from_an_ideal_memory():
    decoded = figures("decode-ideal")
    assert (decoded["chip"], decoded["model"], decoded["memory"]) == ("sim-2x2", "smollm2", "ideal")
    assert quoted("cycles") == f"{decoded['cycles_per_token']:,.0f}"
    assert quoted("utilisation") == f"{100 * decoded['dram_utilization']:.1f}"


@pytest.mark.parametrize(("name", "marker", "model", "memory", "position", "least"), [
    ("decode", "lpddr4", "smollm2", "lpddr4", 16, 0.95), ("decode-1024", "lpddr4-1024", "smollm2", "lpddr4", 1024, 0.9),
    ("decode-3200", "lpddr4-3200", "smollm2", "lpddr4-3200", 16, 0.9),
    ("decode-glassllm", "glassllm", "glassllm", "lpddr4", 16, 0.75)])
def test_readme_quotes_decoding_from_lpddr4(name, marker, model, memory, position, least):
    decoded = figures(name)
    told = tuple(decoded[key] for key in ("chip", "model", "memory", "position"))
    assert told == ("sim-2x2", model, memory, position)
    assert quoted(marker) == f"{100 * decoded['dram_utilization']:.1f}"
    assert model != "glassllm" or quoted("glassllm-cycles") == f"{decoded['cycles_per_token']:,.0f}"
    assert decoded["dram_utilization"] >= least
    assert decoded["memory_commands"][0]["reads"]


def test_readme_quotes_a_model_of_another_family():
    found = figures("gemma3-rtl")
    assert (found["chip"], found["backend"], found["golden_match"]) == ("sim-2x2", "rtl", True)
    assert quoted("gemma") == f"{100 * found['dram_utilization']:.1f}"


def test_readme_quotes_prefilling():
    found = figures("prefill")
    assert (found["chip"], found["model"], found["memory"], found["tokens"]) == ("sim-2x2", "smollm2", "lpddr4", 512)
    assert quoted("prefill-cycles") == f"{found['cycles_per_token']:,.0f}"
    assert quoted("prefill") == f"{100 * found['dram_utilization']:.1f}"
    assert quoted("prefill-engine") == f"{100 * found['engine_utilization']:.1f}"
    assert (len(found["simulated_positions"]), found["passes"], found["engine_bound"]) == (3, 128, 0.5)


def test_readme_quotes_batches():
    found = figures("batch-smollm2")
    assert (found["chip"], found["model"], found["memory"], found["label"]) == ("batch-8", "smollm2", "lpddr4",
                                                                               "simulated")
    by_count = {row["sequences"]: row for row in found["batches"]}
    assert set(by_count) == {1, 2, 4, 8} and all(row["equal_to_alone"] is True for row in found["batches"])
    assert quoted("batch") == f"{by_count[8]['tokens_per_cycle_relative']:.2f}"
    wide = figures("batch-wide")
    assert [row["sequences"] for row in wide["batches"]] == [1, 2, 4, 8, 16, 32] and wide["chip"] == "batch-32"
    assert all(row["equal_to_alone"] is True for row in wide["batches"])
    assert wide["mixed"]["passes"] == wide["mixed"]["tokens_of_each_decoding_sequence"]
    assert quoted("batch-32") == f"{wide['batches'][-1]['tokens_per_cycle_relative']:.2f}"
    assert quoted("batch-4") == f"{by_count[4]['tokens_per_cycle_relative']:.2f}"


@pytest.mark.parametrize("name, page, table", [
    ("batch-smollm2", "reference/sessions", batch_table), ("batch-wide", "reference/sessions", batch_table),
    ("capacity", "reference/sessions", capacity_table), ("rows", "decisions/0010-sequences", rows_table)])
def test_tables_of_sequences(name, page, table):
    assert f"\n{table(figures(name))}\n<!-- {name}:end -->" in (ROOT / f"docs/{page}.md").read_text()


@pytest.mark.parametrize("board", ["ecpix5", "ulx3s"])
def test_readme_quotes_bitstreams(board):
    bitstream = figures(f"bitstream-board-{board}")
    assert bitstream["timing_met"] is True
    assert all(clock["fmax_mhz"] >= clock["constraint_mhz"] for clock in bitstream["clocks"].values())
    assert bitstream["plane_bits_per_s"] >= bitstream["dram_plane_bits_per_s"]
    assert quoted(f"{board}-mhz") == f"{bitstream['clocks']['sync']['fmax_mhz']:.1f}"
    assert quoted(f"{board}-minutes") == f"{sum(bitstream['seconds'].values()) / 60:.0f}"
    if board == "ecpix5":
        assert quoted("ecpix5-comb") == f"{bitstream['comb']:,}"


@pytest.mark.parametrize("marker, name, least", [
    ("ecpix5", "board-ecpix5", 0.8), ("ulx3s", "board-ulx3s", 0.85), ("smollm2", "board-ecpix5-smollm2", 0.8)])
def test_readme_quotes_boards(marker, name, least):
    simulated = figures(name)
    assert simulated["golden_match"] is True and simulated["label"] == "simulated"
    assert quoted(f"{marker}-part") == f"{100 * simulated['dram_utilization']:.1f}"
    assert simulated["dram_utilization"] >= least
    if marker == "smollm2":
        assert quoted("smollm2-speed") == f"{simulated['tokens_per_s_predicted']:.1f}"


def test_readme_quotes_the_fast_back_end():
    measured = figures("backends")
    assert (measured["model"], measured["label"], measured["equal"]) == ("smollm2", "measured", True)
    assert quoted("fast-speed") == f"{1 / measured['fast']['decode_cpu_seconds']:.0f}"
    assert quoted("fast-times") == f"{measured['times_as_fast']:.0f}"
    assert 1 / measured["fast"]["decode_cpu_seconds"] >= 20


def test_compressed_forms_and_their_table():
    simulated = figures("compression-cycles")
    assert (simulated["model"], simulated["chip"], simulated["memory"]) == ("smollm2", "sim-2x2", "ideal")
    assert {row["form"] for row in simulated["forms"]} == set(FORMS)
    assert f"\n{document_table(simulated)}\n<!-- cycles:end -->" in (ROOT / "docs/user/compress.md").read_text()
    cycles = {row["form"]: row["cycles_per_token"] for row in simulated["forms"]}
    assert all(quoted(f"{form}-cycles") == f"{cycles[form]:,}" for form in ("x3", "x2"))
    assert cycles["dense-4"] > cycles["x3"] > cycles["x2.5"] > cycles["x2"] > cycles["1-bit"]


def test_the_guide_has_the_measured_perplexities():
    measured = figures("compression-quality")
    assert (measured["model"], measured["windows"], measured["length"]) == ("smollm2", 12, 256)
    assert {row["name"] for row in measured["rows"]} <= set(ROWS)
    assert f"\n{quality_table(measured)}\n<!-- quality:end -->" in (ROOT / "docs/user/compress.md").read_text()


def test_import_of_blocks_costs_less_than_a_thousandth():
    measured = figures("conversions")
    assert (measured["model"], measured["windows"], measured["length"]) == ("smollm2", 12, 256)
    assert measured["label"] == "measured" and {row["type"] for row in measured["rows"]} == set(TYPES)
    assert all(cost["change_percent"] < 0.1 for row in measured["rows"] if row["type"] != "F16"
               for cost in row["texts"].values())
    page = (ROOT / "docs/reference/tensor-types.md").read_text()
    assert f"\n{conversions_table(measured)}\n<!-- types:end -->" in page
