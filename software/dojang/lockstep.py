"""What lock step costs on raw unstructured sparsity, against a code of fixed rate.

The model. A pruned matrix is cut into blocks of `Block.rows` x `Block.cols` weights. Units take blocks in the order of
the chip's streams (all rows of the first columns, then the next columns, matrix after matrix), a block a unit in each
step. A unit works at one surviving weight a cycle, nothing else takes time, and a step lasts as long as the fullest of
its blocks. With a code of fixed rate every block is as long as the mean one, hence so is every step. A time here is the
first divided by the second; 1 is the least it can be. Masks or indices say in both cases where the survivors are; they
are not counted.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .checkpoints import Checkpoint
from .errors import DojangError

__all__ = ["BLOCKS", "SPARSITIES", "UNITS", "Block", "LockstepError", "expected_time", "magnitude_counts",
           "model_counts", "random_counts", "relative_time", "simulate"]

UNITS = tuple(1 << bits for bits in range(2, 11))
SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)

Counts = dict[float, np.ndarray]
"""By sparsity, survivors of each block in the order in which units take them, int64."""


class LockstepError(DojangError):
    """A simulation was asked for that has no meaning."""


@dataclass(frozen=True)
class Block:
    """Weights that a unit works on between two moments when all units wait for each other."""

    rows: int
    cols: int

    @classmethod
    def parse(cls, text: str) -> "Block":
        """``32x32``: rows, columns."""
        parts = text.split("x")
        if len(parts) != 2 or not all(part.isdecimal() and 1 <= int(part) <= 1024 for part in parts):
            raise LockstepError(f"a block of {text!r} was asked for, expected ROWSxCOLUMNS like 32x32, each 1 to 1024")
        return cls(int(parts[0]), int(parts[1]))

    def __str__(self) -> str:
        return f"{self.rows}x{self.cols}"

    @property
    def weights(self) -> int:
        return self.rows * self.cols


BLOCKS = (Block(32, 32), Block(1, 32))


def relative_time(counts: np.ndarray, units: int) -> float:
    """Time in lock step over time at the fixed rate; units without a block in the last step are idle in it."""
    steps = -(-len(counts) // units)
    dealt = np.zeros(steps * units, np.int64)
    dealt[:len(counts)] = counts
    return float(dealt.reshape(steps, units).max(axis=1).mean() / counts.mean())


def expected_time(block: Block, sparsity: float, units: int) -> float:
    """What `relative_time` tends to with random masks: the expected maximum of ``units`` binomials over their mean."""
    n, p = block.weights, 1 - sparsity
    k = np.arange(n)
    choose = math.lgamma(n + 1) - np.array([math.lgamma(i + 1) + math.lgamma(n - i + 1) for i in k])
    below = np.minimum(np.exp(choose + k * math.log(p) + (n - k) * math.log(sparsity)).cumsum(), 1)
    return float((1 - below ** units).sum() / (n * p))


def random_counts(block: Block, sparsities: Sequence[float], blocks: int, seed: int) -> Counts:
    """Every weight survives by itself with the probability 1 - sparsity."""
    rng = np.random.default_rng(seed)
    return {sparsity: rng.binomial(block.weights, 1 - sparsity, blocks) for sparsity in sparsities}


def magnitude_counts(weights: np.ndarray, sparsities: Sequence[float], blocks: Sequence[Block]) -> list[Counts]:
    """Of one matrix, of which in each case ``round(sparsity * size)`` smallest magnitudes are pruned (any of equals).

    What a block lacks at the matrix' edge is zero. One `Counts` for each of ``blocks``.
    """
    rows, cols = weights.shape
    ascending = sorted(sparsities)
    cuts = [min(round(sparsity * weights.size), weights.size - 1) for sparsity in ascending]
    order = np.argpartition(np.abs(weights).ravel(), cuts)
    outlives = np.zeros(weights.size, np.int64)  # how many of the prunings a weight survives
    for cut in cuts:
        outlives[order[cut:]] += 1
    levels, found = len(cuts) + 1, []
    for block in blocks:
        down, across = -(-rows // block.rows), -(-cols // block.cols)
        place = (np.arange(cols) // block.cols * down)[None, :] + (np.arange(rows) // block.rows)[:, None]
        share = np.bincount(place.ravel() * levels + outlives, minlength=down * across * levels)
        survivors = share.reshape(-1, levels)[:, ::-1].cumsum(axis=1)[:, ::-1]
        found.append({sparsity: survivors[:, number] for number, sparsity in enumerate(ascending, 1)})
    return found


def model_counts(checkpoint: Checkpoint, sparsities: Sequence[float], blocks: Sequence[Block],
                 progress: Callable[[str], None] = lambda text: None) -> list[Counts]:
    """Of the matrices of all layers one after the other, each pruned by itself; the head is left as it is."""
    parts: list[list[Counts]] = []
    for layer in checkpoint.layers:
        progress(f"pruning layer {layer.index + 1} of {len(checkpoint.layers)}")
        parts += [magnitude_counts(checkpoint.load_matrix(f"blk.{layer.index}.{name}.weight").dequantize(), sparsities,
                                   blocks) for name in checkpoint.shape.matrices()]
    return [{sparsity: np.concatenate([part[number][sparsity] for part in parts]) for sparsity in sparsities}
            for number in range(len(blocks))]


def simulate(units: Sequence[int], sparsities: Sequence[float], blocks: Sequence[Block], count: int, seed: int,
             checkpoint: Checkpoint | None = None, progress: Callable[[str], None] = lambda text: None) -> dict:
    """The figures: for ``count`` random blocks, and for the blocks of a model if there is one, a curve by block and
    sparsity with its times in the order of ``units`` and the spread (standard deviation over mean) of the survivors.
    """
    curves = []
    for block in blocks:
        progress(f"random blocks of {block}")
        for sparsity, counts in random_counts(block, sparsities, count, seed).items():
            curves.append({**_curve(block, "random", sparsity, counts, units),
                           "expected": [round(expected_time(block, sparsity, each), 4) for each in units]})
    if checkpoint is not None:
        for block, found in zip(blocks, model_counts(checkpoint, sparsities, blocks, progress), strict=True):
            curves += [_curve(block, checkpoint.name, *item, units) for item in found.items()]
    return {"label": "simulated", "model": None if checkpoint is None else checkpoint.name, "seed": seed,
            "units": list(units), "curves": curves}


def _curve(block: Block, mask: str, sparsity: float, counts: np.ndarray, units: Sequence[int]) -> dict:
    if not counts.any():
        raise LockstepError(f"no weight of {mask} survives a sparsity of {sparsity:g}, expected some")
    return {"block": str(block), "mask": mask, "sparsity": sparsity, "blocks": len(counts),
            "spread": round(float(counts.std() / counts.mean()), 4),
            "time": [round(relative_time(counts, each), 4) for each in units]}
