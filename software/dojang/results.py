"""The table of what boards reach, from figures that are kept."""

import json
from pathlib import Path

from .prediction import FIGURES

__all__ = ["DOCUMENT", "board_table", "kept"]

DOCUMENT = Path("docs/user/boards.md")
"""Has the table, between ``<!-- boards:begin -->`` and ``<!-- boards:end -->``."""

MODELS = ("glassllm", "smollm2")


def kept(boards: dict, folder: Path = FIGURES) -> dict:
    """``boards``, as ``dojang boards --json`` writes them, each with the figures in ``folder`` of its bitstreams
    (``bitstream-*.json``, of ``dojang build``) and of its simulations (``board-*.json``, of ``dojang bench board``).
    """
    def of(name, pattern):
        paths = sorted(folder.glob(pattern), key=lambda path: path.stem)
        found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        return [figures for figures in found if figures["board"] == name]

    return {name: {**board, "bitstreams": of(name, "bitstream-*.json"), "simulations": of(name, "board-*.json")}
            for name, board in boards.items()}


def board_table(figures: dict) -> str:
    """Markdown of what `kept` gives."""
    names = list(figures)
    rows = [["", *names], ["---", *("--:" for _ in names)]]

    def row(title, cell):
        cells = [cell(figures[name]) for name in names]
        if any(cells):
            rows.append([title, *cells])

    def of_bitstreams(text):
        return lambda board: "; ".join(text(bitstream) for bitstream in board["bitstreams"])

    def bits(model):
        def cell(board):
            expected = board["models"][model]
            return f"{expected['bits_per_weight']:.2f}" if "bits_per_weight" in expected else ""
        return cell

    def predicted(model):
        def cell(board):
            expected = board["models"][model]
            return f"{expected['tokens_per_s']:,.1f}" if "tokens_per_s" in expected else expected["not"]
        return cell

    def simulated(model, text):
        return lambda board: "; ".join(text(found) for found in board["simulations"]
                                       if found["model"] == model and found["chip"] == board["chip"])

    row("chip", lambda board: "; ".join(found["chip"] for found in board["bitstreams"]) or board["chip"])
    row("core clock, MHz: reached after routing (needed)", of_bitstreams(
        lambda found: f"{found['clocks']['sync']['fmax_mhz']:.1f} ({found['clocks']['sync']['constraint_mhz']:.0f})"))
    for title, key in (("TRELLIS_COMB", "comb"), ("flip-flops", "ff"), ("multipliers", "dsp"),
                       ("block RAMs", "bram")):
        row(f"{title}, placed", of_bitstreams(lambda found, key=key: f"{found[key]:,}"))
    row("place and route, minutes, measured",
        of_bitstreams(lambda found: f"{found['seconds']['place_and_route'] / 60:.0f}"))
    row("memory, peak, MB/s", lambda board: f"{board['peak_bytes_per_s'] / 1e6:,.0f}")
    for model in MODELS:
        row(f"{model}: bits a weight, measured", bits(model))
        row(f"{model}: tokens/s, predicted", predicted(model))
        row(f"{model}: tokens/s, from simulated cycles",
            simulated(model, lambda found: f"{found['tokens_per_s_predicted']:,.1f}"))
        row(f"{model}: useful part of the memory's peak, simulated",
            simulated(model, lambda found: f"{found['dram_utilization']:.1%}"))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
