"""What a board should reach: its memory's rate over the bytes that a token needs."""

import json
from dataclasses import dataclass
from pathlib import Path

from dojang_hdl.config import WORD_BYTES, ChipConfig

from .checkpoints import Checkpoint
from .compile import compile_model

__all__ = ["ASSUMED_EFFICIENCY", "POSITION", "Efficiency", "Prediction", "Travel", "efficiency", "predict", "travel"]

ASSUMED_EFFICIENCY = 0.85
"""Useful part of the memory's peak rate, until a simulation of the board says it."""

POSITION = 63
"""Position of the predicted token: with a K/V cache of 64."""

FIGURES = Path("docs/figures")


@dataclass(frozen=True)
class Efficiency:
    """Part of the peak rate, and where it is from: "simulated" or "assumed"."""

    value: float
    source: str


@dataclass(frozen=True)
class Prediction:
    """Tokens per second of one model, from figures of which ``efficiency`` says how sure they are."""

    model: str
    position: int
    bytes_per_token: int
    efficiency: Efficiency
    tokens_per_s: float

    def as_json(self) -> dict:
        return {"model": self.model, "position": self.position, "bytes_per_token": self.bytes_per_token,
                "dram_efficiency": self.efficiency.value, "dram_efficiency_source": self.efficiency.source,
                "label": "predicted"}


@dataclass(frozen=True)
class Travel:
    """What goes over the link into an empty memory: ``image_bytes`` for a cache of ``context`` positions."""

    context: int
    image_bytes: int
    file_bytes: int

    def as_json(self) -> dict:
        return {"context": self.context, "image_bytes": self.image_bytes, "file_bytes": self.file_bytes,
                "image_per_file": round(self.image_bytes / self.file_bytes, 4), "label": "measured"}


def efficiency(board: str, folder: Path = FIGURES) -> Efficiency:
    """From the figures of the board's simulation, if there are any."""
    path = folder / f"board-{board}.json"
    try:
        return Efficiency(float(json.loads(path.read_text(encoding="utf-8"))["dram_utilization"]), "simulated")
    except (OSError, ValueError, KeyError, TypeError):
        return Efficiency(ASSUMED_EFFICIENCY, "assumed")


def predict(checkpoint: Checkpoint, config: ChipConfig, peak_bytes_per_s: float, useful: Efficiency) -> Prediction:
    """Decoding of one sequence. `CompileError` if the model does not fit the chip."""
    context = min(checkpoint.shape.context, POSITION + 1)
    image = compile_model(checkpoint, config, context)
    need = image.bytes_per_token(context - 1)
    return Prediction(checkpoint.name, context - 1, need, useful, round(peak_bytes_per_s * useful.value / need, 2))


def travel(checkpoint: Checkpoint, config: ChipConfig, context: int) -> Travel:
    """Of a board: its memory is guarded. `CompileError` if the model does not fit the chip."""
    image = compile_model(checkpoint, config, min(checkpoint.shape.context, context))
    return Travel(image.context, config.channels * image.protection.physical_words * WORD_BYTES,
                  checkpoint.file_bytes)
