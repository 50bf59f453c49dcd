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
from .errors import TuneError
from .llama import Llama, divergence
from .options import Options, Report
from .parameters import GAIN, SCALE, Parameters
from .state import State, read_state, write_state

__all__ = ["precisions", "tune", "use_threads"]

SAVE_EVERY = 5
"""Steps between two states in the file."""

MEMORY = 256
"""Windows whose target is kept, half a megabyte each; of others it is computed again."""

CPUINFO = Path("/proc/cpuinfo")

Progress = Callable[[int, float], None]
"""Called with the steps done and the divergence of the last one."""


def use_threads(count: int) -> None:
    """As many for every product of this process."""
    torch.set_num_threads(count)


def precisions() -> list[str]:
    """The precisions that there are, the best of this processor first."""
    flags = CPUINFO.read_text() if CPUINFO.exists() else ""
    bfloat = "avx512_bf16" in flags or "amx_bf16" in flags
    return ["bfloat16", "float32"] if bfloat else ["float32", "bfloat16"]


def tune(checkpoint: Checkpoint, base: Checkpoint, windows: np.ndarray, options: Options, path: Path, name: str,
         progress: Progress = lambda done, kl: None) -> Report:
    """Train scales and gains of ``checkpoint`` until its predictions are near those of ``base``.

    Parameters
    ----------
    checkpoint: the model.
    base: its target.
    windows: token ids [windows, length]; they are used in random order, all before one comes again.
    options: see there.
    path: of the state, which is there until the end; the same arguments then go on.
    name: of the scale set.
    progress: see `Progress`.

    Raises
    ------
    TuneError: the state is of another run, or a step gives what is not finite.
    """
    return _Run(checkpoint, base, windows, options, path).run(name, progress)


class _Run:
    def __init__(self, checkpoint: Checkpoint, base: Checkpoint, windows: np.ndarray, options: Options, path: Path):
        self.windows, self.options, self.path = windows, options, path
        self.parameters = Parameters(checkpoint)
        said = {**options.said(), "model": source_sha256(checkpoint), "base": source_sha256(base),
                "text": hashlib.sha256(np.ascontiguousarray(windows).tobytes()).hexdigest()}
        found = read_state(path, said)
        self.state, self.resumed = found or State(said), found.steps if found else 0
        dtype = getattr(torch, options.precision)
        self.model, self.base = Llama(checkpoint, self.parameters, dtype), Llama(base, None, dtype)
        self.targets: dict[int, torch.Tensor] = {}
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
            loss = divergence(self.model, states, self.base, self._target(index)) / self.options.batch
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

    def _target(self, index: int) -> torch.Tensor:
        """What the base's head reads: smaller than its logits by the ratio of vocabulary to width, and exact."""
        if index in self.targets:
            return self.targets[index]
        with torch.no_grad():
            target = self.base.states(self.windows[index:index + 1])
        if len(self.targets) < MEMORY:
            self.targets[index] = target
        return target

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
