"""The README quotes figures; they must be those of the JSON that a command made."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_readme_quotes_the_decode_bench():
    figures = json.loads((ROOT / "docs/figures/decode.json").read_text())
    readme = (ROOT / "README.md").read_text()
    cycles = re.search(r"<!-- cycles -->([\d,]+) cycles", readme)
    utilisation = re.search(r"<!-- utilisation -->([\d.]+) %", readme)
    assert (figures["chip"], figures["model"]) == ("sim-2x2", "smollm2")
    assert cycles and cycles[1] == f"{figures['cycles_per_token']:,.0f}"
    assert utilisation and utilisation[1] == f"{100 * figures['dram_utilization']:.1f}"
    assert figures["dram_utilization"] >= 0.80
