"""Compresses a model into a container, a layer at a time; an interrupted run goes on where it was."""

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..checkpoints import Checkpoint, Matrix
from ..checkpoints.container import Contents, describe, pack, unpack, write_container
from ..checkpoints.form import BLOCK
from ..checkpoints.tensor_types import FLOAT_TYPES
from .calibration import Moments, hessians
from .errors import CompressError
from .flips import Flips
from .gptq import quantize_matrix
from .plan import Options, Plan
from .recipe import Quantized
from .rotation import hadamard, rotate_hessian
from .sensitivity import sensitive_layers
from .source import source_sha256
from .weights import LayerWeights, inputs

__all__ = ["Done", "Report", "compress"]

Progress = Callable[[int, int, str], None]
"""Called with the weights done, all weights to do, and what is going on."""


@dataclass(frozen=True)
class Done:
    """A matrix of the result.

    Parameters
    ----------
    matrix: as it is written; an array if it is kept as floats.
    error: weighed with the inputs, relative; None if it is kept.
    mse: of the weights, relative; None if it is kept.
    seconds: it took, of one thread.
    """

    matrix: Matrix | np.ndarray
    error: float | None = None
    mse: float | None = None
    seconds: float = 0.0


@dataclass
class Report:
    """What came of a run.

    Parameters
    ----------
    path: of the container.
    tensors: by name.
    resumed: tensors that an earlier run had done.
    sensitive: layers that the plan's ``sensitive`` stood for.
    seconds: of the whole run.
    """

    path: Path
    tensors: dict[str, Done] = field(default_factory=dict)
    resumed: int = 0
    sensitive: tuple[int, ...] = ()
    seconds: float = 0.0


def compress(checkpoint: Checkpoint, path: Path, plan: Plan, windows: np.ndarray, workers: int = 1,
             progress: Progress = lambda done, total, text: None, moments: Sequence[Moments] | None = None) -> Report:
    """Write the compressed model to ``path``.

    Parameters
    ----------
    checkpoint: the model.
    path: of the container; it is there when all is done, and not before. A folder beside it has the tensors done so
        far, until then.
    plan: what is asked of each tensor.
    windows: token ids [windows, length] for calibration.
    workers: threads.
    progress: see `Progress`.
    moments: of each layer, if they are there already.

    Raises
    ------
    CompressError: weights that are not finite, a contradiction in the plan, or a folder that cannot be written.
    """
    started = time.perf_counter()
    return _Run(checkpoint, path, plan, windows, workers, progress, moments).run(started)


class _Run:
    def __init__(self, checkpoint: Checkpoint, path: Path, plan: Plan, windows: np.ndarray, workers: int,
                 progress: Progress, moments: Sequence[Moments] | None):
        self.moments, self.windows_sha256 = moments, hashlib.sha256(windows.tobytes()).hexdigest()
        self.checkpoint, self.plan, self.windows, self.workers = checkpoint, plan, windows, workers
        self.shape, self.progress, self.report = checkpoint.shape, progress, Report(path)
        self.lock, self.done_weights = threading.Lock(), 0
        sizes = self.shape.matrices()
        self.total = self.shape.layers * sum(rows * cols for rows, cols in sizes.values())
        source = source_sha256(checkpoint)
        key = json.dumps([plan.as_json(), source, self.windows_sha256])
        self.folder = path.with_name(f".{path.name}-{hashlib.sha256(key.encode()).hexdigest()[:12]}")
        self.source = source
        self.options: dict[str, Options] = {}

    def run(self, started: float) -> Report:
        report, plan = self.report, self.plan
        if plan.asks_sensitive:
            self.progress(0, self.total, "looking for sensitive layers")
            report.sensitive = sensitive_layers(self.checkpoint, self.windows, self.workers)
        self._check(frozenset(report.sensitive))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CompressError(f"{report.path} cannot be written: {error.strerror}") from None
        self._outer()
        skip = self._resume()
        self.progress(self.done_weights, self.total, "calibrating")
        vectors = {name: self.checkpoint.load_vector(name) for name in sorted(self.checkpoint.vector_names)}
        with ThreadPoolExecutor(self.workers) as pool:
            if self.moments is None:
                moments = hessians(self.checkpoint, self.windows, self.workers, skip)
            else:
                moments = ((index, LayerWeights.of(self.checkpoint, index), found)
                           for index, found in enumerate(self.moments))
            for index in range(self.shape.layers):
                options = {name: self.options[f"blk.{index}.{name}.weight"] for name in self.shape.matrices()}
                flips = Flips.of(self.shape, index, options, plan.seed)
                for name, found in flips.vectors.items():
                    vectors[f"blk.{index}.{name}"] = vectors[f"blk.{index}.{name}"] * found
                if index >= skip:
                    self._layer(pool, index, moments, flips)
        self._write(vectors)
        report.seconds = time.perf_counter() - started
        return report

    def _check(self, sensitive: frozenset[int]) -> None:
        """Every tensor's options, before anything is computed."""
        names = {f"blk.{layer}.{kind}.weight": cols for layer in range(self.shape.layers)
                 for kind, (_, cols) in self.shape.matrices().items()}
        names |= dict.fromkeys(["token_embd.weight", *([] if self.shape.tied else ["output.weight"])], self.shape.d)
        for name, cols in names.items():
            options = self.options[name] = self.plan.of(name, sensitive)
            if options.keep:
                continue
            try:
                options.recipe(cols)
            except CompressError as error:
                raise CompressError(f"tensor {name}: {error}") from None
            form = options.form(cols)
            if name == "token_embd.weight" and (form.window or form.rotated or form.terms > 1):
                raise CompressError(f"tensor {name} is asked as {form}, but rows of an embedding are read alone; "
                                    "expected bits without rotation")

    def _layer(self, pool: ThreadPoolExecutor, index: int, moments: Iterator, flips: Flips) -> None:
        """Quantise what is missing of a layer; ``moments`` is at it or before it."""
        at, weights, found = next(moments)
        while at < index:
            at, weights, found = next(moments)
        turned: dict[str, np.ndarray] = {}
        plain = {kind: flips.moments(kind, hessian) for kind, hessian in found.items()}

        def work(item):
            name, kind = item
            tensor = f"blk.{index}.{name}.weight"
            values, options = weights.matrices[name], self.options[tensor]
            if options.keep:
                self._keep(tensor)
            else:
                values = flips.matrix(name, kind, values)
                self._save(tensor, self._quantise(tensor, values, (turned if options.rotate else plain).get(kind)))
            with self.lock:
                self.done_weights += values.size
                self.progress(self.done_weights, self.total, f"layer {index + 1} of {self.shape.layers}")

        missing = [(name, kind) for kind, names in inputs(self.shape).items() for name in names
                   if f"blk.{index}.{name}.weight" not in self.report.tensors]
        rotated = {kind for name, kind in missing if self.options[f"blk.{index}.{name}.weight"].rotate}
        turned |= dict(zip(rotated, pool.map(lambda kind: rotate_hessian(plain[kind]), rotated), strict=True))
        missing.sort(key=lambda item: -weights.matrices[item[0]].shape[1] * weights.matrices[item[0]].size)
        list(pool.map(work, missing))

    def _quantise(self, name: str, values: np.ndarray, hessian: np.ndarray | None) -> Done:
        started, options = time.perf_counter(), self.options[name]
        rows, cols = values.shape
        try:
            quantized = quantize_matrix(hadamard(values) if options.rotate else values, options.recipe(cols), hessian)
        except CompressError as error:
            raise CompressError(f"tensor {name}: {error}") from None
        return Done(_matrix(name, rows, cols, quantized, options), quantized.error, quantized.mse,
                    time.perf_counter() - started)

    def _keep(self, name: str) -> None:
        checkpoint = self.checkpoint
        source = checkpoint.types[name]
        if source in FLOAT_TYPES:
            values = checkpoint.floats(name)
            self.report.tensors[name] = Done(values.astype(np.float16) if source == "F16" else values)
        else:
            self.report.tensors[name] = Done(checkpoint.load_matrix(name))

    def _outer(self) -> None:
        """Embedding and head; they have no moments. Learned positions stay floats."""
        for name in ("token_embd.weight", *(() if self.shape.tied else ("output.weight",))):
            if self.options[name].keep:
                self._keep(name)
            else:
                self.report.tensors[name] = self._quantise(name, self.checkpoint.floats(name), None)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def _save(self, name: str, done: Done) -> None:
        assert isinstance(done.matrix, Matrix)
        entry = {**describe(done.matrix), "error": done.error, "mse": done.mse, "seconds": done.seconds}
        draft = self._file(name).with_suffix(f".{os.getpid()}")
        try:
            save_file(pack(done.matrix), draft, {"entry": json.dumps(entry)})
            os.replace(draft, self._file(name))
        except (OSError, SafetensorError) as error:
            raise CompressError(f"{draft} cannot be written: {error}") from None
        finally:
            draft.unlink(missing_ok=True)
        self.report.tensors[name] = done

    def _resume(self) -> int:
        """Take what an earlier run has done; the number of layers at the beginning that are complete."""
        complete = 0
        for layer in range(self.shape.layers):
            names = {f"blk.{layer}.{kind}.weight" for kind in self.shape.matrices()}
            for name in names:
                if self.options[name].keep:
                    continue
                try:
                    with safe_open(self._file(name), "numpy") as file:
                        entry = json.loads(file.metadata()["entry"])
                        parts = {part: file.get_tensor(part) for part in file.keys()}
                    matrix = unpack(name, entry, parts)
                except Exception:  # missing, or whatever a damaged file leads to: it is done again
                    continue
                self.report.tensors[name] = Done(matrix, entry["error"], entry["mse"], entry["seconds"])
                self.report.resumed += 1
                self.done_weights += matrix.rows * matrix.cols
            missing = [name for name in names if name not in self.report.tensors]
            if complete == layer and all(self.options[name].keep for name in missing):
                for name in missing:
                    self._keep(name)
                complete += 1
        return complete

    def _write(self, vectors: dict[str, np.ndarray]) -> None:
        self.progress(self.total, self.total, "writing the file")
        tensors, checkpoint = self.report.tensors, self.checkpoint
        notes = {name: {"error": done.error, "mse": done.mse} for name, done in tensors.items()
                 if done.error is not None}
        positions, sources = {}, {}
        if checkpoint.positions is not None:
            name = "position_embd.weight"
            source = sources[name] = checkpoint.types[name] if checkpoint.types[name] in FLOAT_TYPES else "F32"
            positions[name] = checkpoint.positions[:].astype(np.float16 if source == "F16" else np.float32)
        recipe = {**self.plan.as_json(), "sensitive": list(self.report.sensitive),
                  "windows_sha256": self.windows_sha256}
        write_container(self.report.path, Contents(
            checkpoint.name, self.shape, checkpoint.tokenizer,
            {name: tensors[name].matrix for name in self.options} | positions, vectors, checkpoint.types | sources,
            notes, recipe, self.source))
        shutil.rmtree(self.folder, ignore_errors=True)


def _matrix(name: str, rows: int, cols: int, quantized: Quantized, options: Options) -> Matrix:
    """The matrix in the form that the chip and the container have."""
    form = options.form(cols)
    width = -(-cols // form.group) * form.group

    def blocks(values):
        padded = np.zeros((len(values), width), values.dtype)
        padded[:, :values.shape[1]] = values
        return padded.reshape(len(values), -1, BLOCK)

    codes, scale = quantized.codes, quantized.scale
    if form.terms > 1:
        planes = np.stack([codes >> term & 1 for term in range(form.terms)])
        padded = np.stack([blocks(plane).reshape(rows, -1, form.group) for plane in planes], axis=2)
        codes = padded.reshape(rows, -1, BLOCK)
    else:
        codes = blocks(codes)
    mask = None if quantized.mask is None or not form.window else blocks(quantized.mask)
    return Matrix(name, rows, cols, codes, form, scale if form.row_scale else scale.reshape(rows, -1), None,
                  str(options), mask)
