"""The README quotes figures; they must be those of the JSON that a command made."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


README = (ROOT / "README.md").read_text()


def test_readme_quotes_decoding_from_an_ideal_memory():
    figures = json.loads((ROOT / "docs/figures/decode-ideal.json").read_text())
    cycles = re.search(r"<!-- cycles -->([\d,]+) cycles", README)
    utilisation = re.search(r"<!-- utilisation -->([\d.]+) %", README)
    assert (figures["chip"], figures["model"], figures["memory"]) == ("sim-2x2", "smollm2", "ideal")
    assert cycles and cycles[1] == f"{figures['cycles_per_token']:,.0f}"
    assert utilisation and utilisation[1] == f"{100 * figures['dram_utilization']:.1f}"
    assert figures["dram_utilization"] >= 0.80


def test_readme_quotes_decoding_from_lpddr4():
    figures = json.loads((ROOT / "docs/figures/decode.json").read_text())
    utilisation = re.search(r"<!-- lpddr4 -->([\d.]+) %", README)
    assert (figures["chip"], figures["model"], figures["memory"]) == ("sim-2x2", "smollm2", "lpddr4")
    assert utilisation and utilisation[1] == f"{100 * figures['dram_utilization']:.1f}"
    assert figures["dram_utilization"] >= 0.85
    assert all(commands["reads"] for commands in figures["memory_commands"])
