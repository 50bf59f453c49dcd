"""The guide's table of boards."""

import json
from pathlib import Path

from dojang.results import DOCUMENT, board_table, kept
from dojang_fpga.table import fill

ROOT = Path(__file__).parents[2]


def test_the_guide_has_the_kept_figures():
    boards = json.loads((ROOT / "docs/figures/boards.json").read_text())
    text = (ROOT / DOCUMENT).read_text()
    assert fill(text, kept(boards, ROOT / "docs/figures"), tables={"boards": board_table}) == (text, 1)


def test_each_figure_has_its_place(tmp_path):
    model = {"tokens_per_s": 1234.56, "bits_per_weight": 4.5}
    boards = {"one": {"chip": "board-one", "peak_bytes_per_s": 6e8, "models": {"glassllm": model, "smollm2": model}},
              "two": {"chip": "board-two", "peak_bytes_per_s": 1e8,
                      "models": {"glassllm": model, "smollm2": {"not": "does not fit"}}}}
    clocks = {"sync": {"fmax_mhz": 80.06, "constraint_mhz": 75.0}, "x": {"fmax_mhz": 1.0, "constraint_mhz": 2.0}}
    for chip, comb in (("board-one", 40_000), ("board-one-1x1", 20_000)):
        (tmp_path / f"bitstream-{chip}.json").write_text(json.dumps({
            "board": "one", "chip": chip, "clocks": clocks, "comb": comb, "ff": 2, "dsp": 3, "bram": 4,
            "seconds": {"place_and_route": 90}}))
    for board, chip, name in (("one", "board-one", "smollm2"), ("two", "board-other", "smollm2")):
        (tmp_path / f"board-{board}.json").write_text(json.dumps({
            "board": board, "chip": chip, "model": name, "tokens_per_s_predicted": 4.44, "dram_utilization": 0.8125}))
    assert board_table(kept(boards, tmp_path)) == """\
|  | one | two |
| --- | --: | --: |
| chip | board-one; board-one-1x1 | board-two |
| core clock, MHz: reached after routing (needed) | 80.1 (75); 80.1 (75) |  |
| TRELLIS_COMB, placed | 40,000; 20,000 |  |
| flip-flops, placed | 2; 2 |  |
| multipliers, placed | 3; 3 |  |
| block RAMs, placed | 4; 4 |  |
| place and route, minutes, measured | 2; 2 |  |
| memory, peak, MB/s | 600 | 100 |
| glassllm: bits a weight, measured | 4.50 | 4.50 |
| glassllm: tokens/s, predicted | 1,234.6 | 1,234.6 |
| smollm2: bits a weight, measured | 4.50 |  |
| smollm2: tokens/s, predicted | 1,234.6 | does not fit |
| smollm2: tokens/s, from simulated cycles | 4.4 |  |
| smollm2: useful part of the memory's peak, simulated | 81.2% |  |"""
