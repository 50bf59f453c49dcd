"""``dojang bench encoder`` and ``dojang bench care-bits``: the encoder's speed, and what XOR codes match."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from .bench import processor_name
from .console import output, working
from .documents import keep, markdown, table_of
from .output_file import JsonFile, prepare

FIGURES = {"encoder": Path("docs/figures/encoder.json"), "care-bits": Path("docs/figures/care-bits.json")}
DOCUMENTS = {"encoder": Path("docs/reference/encoder.md"), "care-bits": Path("docs/reference/care-bits.md")}
SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9)


def encoder(json_file: JsonFile = None):
    """Weights a second that the encoder of the window codes does on one core, and its error on a Gaussian.

    If FILE is docs/figures/encoder.json, the table in docs/reference/encoder.md is made anew.

    Example: dojang bench encoder --json figures.json
    """
    prepare(json_file)
    from ..compress.speed import encoder_figures

    with working("encoding random weights"):
        codes = encoder_figures()
    figures = {"codes": codes, "processor": processor_name(), "load": os.getloadavg()[0], "cores": os.cpu_count()}
    _finish("encoder", figures, json_file, encoder_rows(figures))


def care_bits(
    care: Annotated[int, typer.Option("--care-bits", min=100, help="Care bits for each sparsity.")] = 20_000,
    json_file: JsonFile = None,
):
    """Share of the care bits of random sparse planes that a linear code with a 16-bit window gives.

    If FILE is docs/figures/care-bits.json, the table in docs/reference/care-bits.md is made anew.

    Example: dojang bench care-bits --care-bits 2000 --json figures.json
    """
    prepare(json_file)
    from ..compress.care_bits import WINDOW, share_matched

    planes = []
    with working("searching") as progress:
        for sparsity in SPARSITIES:
            planes.append(share_matched(sparsity, care, progress=lambda done, total, sparsity=sparsity: progress(
                f"sparsity {sparsity}: step {done:,} of {total:,}") if done % 100 == 0 else None))
    figures = {"window": WINDOW, "planes": planes}
    _finish("care-bits", figures, json_file, care_rows(figures))


def encoder_rows(figures: dict) -> list[list[str]]:
    """Heading and a row per code."""
    return [["code", "bits a weight", "M weights/s, one core", "MSE of a Gaussian", "bound 4^-bits"],
            *([code["code"], f"{code['bits_per_weight']:g}", f"{code['weights_per_s_per_core'] / 1e6:.1f}",
               f"{code['mse']:.4f}", f"{0.25 ** code['bits_per_weight']:.4f}"] for code in figures["codes"])]


def care_rows(figures: dict) -> list[list[str]]:
    """Heading and a row per sparsity."""
    return [["sparsity", "payload bits → plane bits of a step", "care bits", "payload bits a care bit", "matched"],
            *([f"{plane['sparsity']:g}", f"{plane['step_bits']} → {plane['plane_bits']}", f"{plane['care_bits']:,}",
               f"{plane['payload_bits_per_care_bit']:.3f}", f"{100 * plane['matched']:.2f} %"]
              for plane in figures["planes"])]


TABLES: dict[str, Callable[[dict], str]] = {
    "encoder": lambda figures: markdown(encoder_rows(figures)),
    "care-bits": lambda figures: markdown(care_rows(figures)),
}


def _finish(name: str, figures: dict, json_file: Path | None, rows: list[list[str]]) -> None:
    keep(figures, json_file, FIGURES[name], DOCUMENTS[name], {name: TABLES[name]})
    output.print(table_of(rows))
