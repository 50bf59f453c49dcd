"""What a run is asked for, and what comes of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..checkpoints import ScaleSet

__all__ = ["Options", "Report", "best_precision"]

CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Options:
    """How to train.

    Parameters
    ----------
    steps: of the optimiser.
    batch: windows a step.
    rate, gain_rate: of scales and gains at the first step; they fall along a cosine to zero.
    seed: of the order of the windows.
    precision: of the products' operands, float32 or bfloat16.
    """

    steps: int = 300
    batch: int = 1
    rate: float = 2e-3
    gain_rate: float = 1e-3
    seed: int = 0
    precision: str = "float32"

    def said(self) -> dict:
        """By the names of the command line."""
        return {"--steps": self.steps, "--batch": self.batch, "--rate": self.rate, "--gain-rate": self.gain_rate,
                "--seed": self.seed, "--precision": self.precision}


@dataclass(frozen=True)
class Report:
    """What came of a run.

    Parameters
    ----------
    scale_set: the result.
    kl: divergence of each step's windows before the step, nats.
    resumed: steps that earlier runs had done.
    seconds: of all steps.
    counts: trained numbers of each kind.
    """

    scale_set: ScaleSet
    kl: list[float]
    resumed: int
    seconds: float
    counts: dict[str, int]

    @property
    def first(self) -> float:
        """Mean divergence of the first 20 steps."""
        return float(np.mean(self.kl[:20]))

    @property
    def last(self) -> float:
        """Of the last 20."""
        return float(np.mean(self.kl[-20:]))


def best_precision() -> str:
    """The one that this processor multiplies fastest, as far as Linux says it."""
    flags = CPUINFO.read_text() if CPUINFO.exists() else ""
    return "bfloat16" if "avx512_bf16" in flags or "amx_bf16" in flags else "float32"
