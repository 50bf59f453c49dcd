"""Choice of the next token among the candidates the chip reports."""

import numpy as np

CANDIDATES = 16
"""Largest logits considered. Every chip reports at least as many, so a seed gives the same text on all of them."""


class Sampler:
    """Greedy choice, or sampling with temperature and top-p.

    Sampling looks at the `CANDIDATES` largest logits only: their softmax at the given temperature is cut to the
    smallest set of most probable tokens that reaches `top_p`, and renormalised. The tail beyond the candidates counts
    as zero, so top-p is taken of the candidates' own total.

    Parameters
    ----------
    temperature: 0 is greedy.
    top_p: above 0, up to 1.
    seed: of the random generator.
    """

    def __init__(self, temperature: float = 0.0, top_p: float = 1.0, seed: int | None = None):
        if not (np.isfinite(temperature) and temperature >= 0):
            raise ValueError(f"temperature={temperature}, expected 0 or more")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p={top_p}, expected more than 0 and at most 1")
        self.temperature, self.top_p = temperature, top_p
        self._rng = np.random.default_rng(seed)

    def choose(self, ids: np.ndarray, values: np.ndarray) -> int:
        """One of `ids`; equal logits are ordered by id, so greedy takes the smallest."""
        ids = np.asarray(ids)
        order = np.lexsort((ids, -np.asarray(values, np.float64)))[:CANDIDATES]
        if self.temperature == 0:
            return int(ids[order[0]])
        logits = np.asarray(values, np.float64)[order]
        with np.errstate(over="ignore"):  # at a temperature next to 0 all others are as good as impossible
            weights = np.exp((logits - logits[0]) / self.temperature)
        total = np.cumsum(weights)
        kept = int(np.searchsorted(total, self.top_p * total[-1])) + 1
        point = self._rng.random() * total[min(kept, len(total)) - 1]
        return int(ids[order[np.searchsorted(total, point, side="right")]])


def best_candidates(logits: np.ndarray, count: int = CANDIDATES) -> tuple[np.ndarray, np.ndarray]:
    """Ids and values of the `count` largest logits, largest first, equal ones by id."""
    last = np.partition(-logits, count - 1)[count - 1] if count < len(logits) else np.inf
    ids = np.flatnonzero(~(-logits > last))  # with all that equal the last one: many times faster than sorting them all
    order = ids[np.lexsort((ids, -logits[ids]))][:count]
    return order, logits[order]
