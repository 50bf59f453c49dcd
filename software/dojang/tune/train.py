"""The training of scales and gains; an interrupted run goes on where it was."""

import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch  # pyright: ignore[reportMissingImports]  (an optional extra)

from ..checkpoints import Checkpoint
from ..compress.source import source_sha256
from .divergence import divergence
from .errors import TuneError
from .model import TorchModel
from .options import Options, Report
from .parameters import GAIN, SCALE, Parameters
from .state import State, read_state, write_state

__all__ = ["Target", "tune", "use_threads"]

SAVE_EVERY = 5
"""Steps between two states in the file."""

MEMORY = 256
"""Windows whose target is kept, half a megabyte each; of others it is computed again."""

Progress = Callable[[int, float], None]
"""Called with the steps done and the divergence of the last one."""


def use_threads(count: int) -> None:
    """As many for every product of this process."""
    torch.set_num_threads(count)


class Target:
    """What the base's head reads for each window: smaller than its logits by the ratio of vocabulary to width, and
    exact. It is computed when first asked for; one target serves the training of several models.

    Parameters
    ----------
    checkpoint: the base.
    windows: token ids [windows, length].
    precision: of the products' operands.
    """

    def __init__(self, checkpoint: Checkpoint, windows: np.ndarray, precision: str):
        self.name, self.windows, self.precision = checkpoint.name, windows, precision
        self.sha256 = source_sha256(checkpoint)
        self.model = TorchModel(checkpoint, None, getattr(torch, precision))
        self._states: dict[int, torch.Tensor] = {}

    def states(self, index: int) -> torch.Tensor:
        """float32 [1, length, d] of a window."""
        if index in self._states:
            return self._states[index]
        with torch.no_grad():
            found = self.model.states(self.windows[index:index + 1])
        if len(self._states) < MEMORY:
            self._states[index] = found
        return found


def tune(checkpoint: Checkpoint, target: Target, options: Options, path: Path, name: str,
         progress: Progress = lambda done, kl: None) -> Report:
    """Train scales and gains of ``checkpoint`` until its predictions are near those of the target.

    Parameters
    ----------
    checkpoint: the model.
    target: base and windows, which are used in random order, all before one comes again; of the options' precision.
    options: see there.
    path: of the state, which is there until the caller removes it; the same arguments then go on.
    name: of the scale set.
    progress: see `Progress`.

    Raises
    ------
    TuneError: the state is of another run, or a step gives what is not finite.
    """
    return _Run(checkpoint, target, options, path).run(name, progress)


class _Run:
    def __init__(self, checkpoint: Checkpoint, target: Target, options: Options, path: Path):
        self.target, self.windows, self.options, self.path = target, target.windows, options, path
        assert target.precision == options.precision
        self.parameters = Parameters(checkpoint)
        said = {**options.said(), "model": source_sha256(checkpoint), "base": target.sha256,
                "text": hashlib.sha256(np.ascontiguousarray(self.windows).tobytes()).hexdigest()}
        found = read_state(path, said)
        self.state, self.resumed = found or State(said), found.steps if found else 0
        self.model = TorchModel(checkpoint, self.parameters, getattr(torch, options.precision))
        self.logs = {kind: torch.zeros(count, requires_grad=True) for kind, count in self.parameters.counts.items()}
        self.optimiser = torch.optim.AdamW([{"params": [values]} for values in self.logs.values()])
        self._restore()

    def run(self, name: str, progress: Progress) -> Report:
        state, options = self.state, self.options
        while state.steps < options.steps:
            started = time.perf_counter()
            state.kl.append(self._step(state.steps))
            state.seconds += time.perf_counter() - started
            if state.steps % SAVE_EVERY == 0 or state.steps == options.steps:
                self._save()
            progress(state.steps, state.kl[-1])
        logs = {kind: values.detach().numpy() for kind, values in self.logs.items()}
        return Report(self.parameters.scale_set(name, logs), state.kl, self.resumed, state.seconds,
                      self.parameters.counts)

    def _step(self, step: int) -> float:
        total = 0.0
        self.optimiser.zero_grad()
        for index in self._windows_of(step):
            states = self.model.states(self.windows[index:index + 1], self.logs)
            loss = divergence(self.model, states, self.target.model, self.target.states(index)) / self.options.batch
            loss.backward()
            total += loss.item()
        if not (math.isfinite(total) and all(values.grad.isfinite().all() for values in self.logs.values())):
            kept = step - step % SAVE_EVERY
            keeps = f"{self.path} keeps the {kept} steps before, remove it and " if kept else ""
            raise TuneError(f"the divergence of step {step + 1} or its gradient is not finite; {keeps}give a lower "
                            "--rate")
        rates = {SCALE: self.options.rate, GAIN: self.options.gain_rate}
        for kind, group in zip(self.logs, self.optimiser.param_groups, strict=True):
            group["lr"] = rates[kind] * (1 + math.cos(math.pi * step / self.options.steps)) / 2
        self.optimiser.step()
        return total

    def _windows_of(self, step: int) -> list[int]:
        first, count = step * self.options.batch, len(self.windows)
        orders = {}
        for each in range(first, first + self.options.batch):
            if each // count not in orders:
                orders[each // count] = np.random.default_rng([self.options.seed, each // count]).permutation(count)
        return [int(orders[each // count][each % count]) for each in range(first, first + self.options.batch)]

    def _save(self) -> None:
        arrays = {}
        for kind, values in self.logs.items():
            moments = self.optimiser.state[values]
            arrays |= {kind: values.detach().numpy(), f"{kind}.first": moments["exp_avg"].numpy(),
                       f"{kind}.second": moments["exp_avg_sq"].numpy()}
        self.state.arrays = arrays
        write_state(self.path, self.state)

    def _restore(self) -> None:
        arrays = self.state.arrays
        if not arrays:
            return
        for kind, values in self.logs.items():
            with torch.no_grad():
                values.copy_(torch.from_numpy(arrays[kind]))
            self.optimiser.state[values] = {
                "step": torch.tensor(float(self.state.steps)), "exp_avg": torch.from_numpy(arrays[f"{kind}.first"]),
                "exp_avg_sq": torch.from_numpy(arrays[f"{kind}.second"])}
