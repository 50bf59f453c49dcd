"""Every rotary rule and head size: the golden model against a float64 pass, and against llama.cpp's kept answers."""

import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, Norm, Rotation, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.oracle.reference import unpack_logits
from dojang.oracle.rotary import CASES, GAP, answer, write_case
from dojang_sim.golden.model import GoldenModel
from dojang_sim.golden.rotary import rotary_tables

from .reference_model import alterations, reference_logits

KEPT = json.loads((Path(__file__).parent / "data" / "rotary_oracle.json").read_text())["cases"]

MEAN_ERROR, LARGEST_ERROR = 0.002, 0.02
"""Of logits whose standard deviation is about 1; another rule gives ten times as much at least."""

LENGTH = 32


@dataclass(frozen=True)
class Model:
    """A model as its file says it and as a float64 pass needs it.

    ``rotation``: fields that the file has besides the keys; ``divisors``, ``magnitude`` and ``scale``: what all that
    comes to, worked out here.
    """

    key: int = 32
    value: int = 32
    rotary: int = 32
    heads: int = 2
    kv_heads: int = 1
    keys: dict = field(default_factory=dict)
    rotation: dict = field(default_factory=dict)
    divisors: tuple[float, ...] | float = 1.0
    magnitude: float = 1.0
    scale: float = 0.0
    context: int = 64

    @property
    def stored(self) -> ModelShape:
        return ModelShape(2, 64, self.heads, self.kv_heads, -(-self.key // 32) * 32, 96, 70, 256, Norm(2.0 ** -17),
                          key_dim=self.key, value_dim=self.value,
                          kinds=(LayerKind(Rotation(dim=self.rotary, **self.rotation)),))

    @property
    def meant(self) -> ModelShape:
        factors = np.broadcast_to(self.divisors, self.rotary // 2)
        rotation = Rotation(dim=self.rotary, factors=None if (factors == 1).all() else tuple(factors.tolist()),
                            magnitude=self.magnitude)
        return replace(self.stored, kinds=(LayerKind(rotation),), score_scale=self.scale)


def stored_tensors(path) -> dict[str, np.ndarray]:
    return {tensor.name: gguf.dequantize(tensor.data, tensor.tensor_type).astype(float)
            for tensor in gguf.GGUFReader(path).tensors}


def yarn(factor: float, size: int, original: int, fast: float = 32, slow: float = 1, ext: float = 1) -> tuple:
    """Divisors as the authors' code has them: rates interpolated, extrapolated, and a mask between."""
    def dimension(turns):
        return size * math.log(original / (2 * math.pi * turns)) / (2 * math.log(10000))

    low, high = max(math.floor(dimension(fast)), 0), min(math.ceil(dimension(slow)), size - 1)
    mask = (1 - np.clip((np.arange(size // 2) - low) / (high - low), 0, 1)) * ext
    return tuple(1 / (mask + (1 - mask) / factor))


def scaling(**keys):
    return {f"rope.scaling.{name}": value for name, value in keys.items()}


SIXTEEN = tuple(1 + i / 2 for i in range(16))
LONG = {"factors": SIXTEEN, "factors_long": (6.0,) * 16, "original_context": 64}
YARN = {"type": "yarn", "factor": 4.0, "original_context_length": 64}
M4 = 1 + 0.1 * math.log(4)

MODELS = {
    "linear": Model(keys=scaling(type="linear", factor=4.0), divisors=4),
    "linear, a whole number": Model(keys=scaling(type="linear", factor=3), divisors=3),
    "linear without a type": Model(keys=scaling(factor=4.0), divisors=4),
    "older key": Model(keys={"rope.scale_linear": 4.0}, divisors=4),
    "older key beside the new one": Model(keys={"rope.scale_linear": 4.0, **scaling(factor=2.0)}, divisors=2),
    "older key beside a zero": Model(keys={"rope.scale_linear": 4.0, **scaling(factor=0.0)}),
    "none": Model(keys=scaling(type="none", factor=4.0)),
    "factor 0": Model(keys=scaling(type="linear", factor=0.0)),
    "yarn": Model(keys=scaling(**YARN), divisors=yarn(4, 32, 64), magnitude=M4),
    "yarn, context": Model(keys=scaling(type="yarn", factor=4.0), divisors=yarn(4, 32, 256), magnitude=M4),
    "yarn, context for 0": Model(keys=scaling(**{**YARN, "original_context_length": 0}), divisors=yarn(4, 32, 256),
                                 magnitude=M4),
    "yarn, factor 0": Model(keys=scaling(type="yarn", factor=0.0)),
    "yarn, betas": Model(keys=scaling(**YARN, yarn_beta_fast=4.0, yarn_beta_slow=0.5),
                         divisors=yarn(4, 32, 64, 4, 0.5), magnitude=M4),
    "yarn, extrapolation": Model(keys=scaling(**YARN, yarn_ext_factor=0.5), divisors=yarn(4, 32, 64, ext=0.5),
                                 magnitude=M4),
    "yarn, extrapolation not set": Model(keys=scaling(**YARN, yarn_ext_factor=-1.0), divisors=yarn(4, 32, 64),
                                         magnitude=M4),
    "yarn, no extrapolation": Model(keys=scaling(**YARN, yarn_ext_factor=0.0, yarn_attn_factor=1.5), divisors=4,
                                    magnitude=1.5),
    "linear, extrapolation": Model(keys=scaling(**{**YARN, "type": "linear"}, yarn_ext_factor=1.0),
                                   divisors=yarn(4, 32, 64), magnitude=M4),
    "yarn, its own magnitude": Model(keys=scaling(**YARN, yarn_attn_factor=1.1386), divisors=yarn(4, 32, 64),
                                     magnitude=M4),
    "yarn, log multiplier 1": Model(keys=scaling(**YARN, yarn_log_multiplier=1.0), divisors=yarn(4, 32, 64)),
    "yarn, log multiplier": Model(keys=scaling(**YARN, yarn_log_multiplier=0.5), divisors=yarn(4, 32, 64),
                                  magnitude=M4 / (1 + 0.05 * math.log(4))),
    "yarn, factors, magnitude": Model(
        keys=scaling(**YARN, attn_factor=1.25), rotation={"factors": SIXTEEN},
        divisors=tuple(np.multiply(yarn(4, 32, 64), SIXTEEN)), magnitude=1.25 * M4),
    "magnitude": Model(keys=scaling(attn_factor=1.5), magnitude=1.5),
    "factors": Model(rotation={"factors": SIXTEEN}, divisors=SIXTEEN),
    "factors, linear": Model(keys=scaling(factor=2.0), rotation={"factors": SIXTEEN},
                             divisors=tuple(2 * factor for factor in SIXTEEN)),
    "longrope, short": Model(rotation=LONG, divisors=SIXTEEN),
    "longrope, long": Model(rotation=LONG, divisors=6, context=65),
    "longrope, long, factor": Model(rotation=LONG, keys=scaling(factor=2.0, attn_factor=1.25), divisors=12, context=65,
                                    magnitude=1.25),
    "48": Model(48, 48, 48, 4, 2), "80": Model(80, 80, 80), "96": Model(96, 96, 96), "100": Model(100, 100, 100, 8, 4),
    "4": Model(4, 4, 4, 16, 2),
    "half of 64": Model(64, 64, 32), "2 of 32": Model(rotary=2), "24 of 48": Model(48, 48, 24),
    "half of 80, yarn": Model(80, 80, 40, keys=scaling(**YARN), divisors=yarn(4, 40, 64), magnitude=M4),
    "values of 96": Model(64, 96, 64), "values of 16": Model(48, 16, 48, 4, 4),
    "scale": Model(keys={"attention.scale": 0.25}, scale=0.25), "scale 0": Model(keys={"attention.scale": 0.0}),
    "scale, 80": Model(80, 80, 80, keys={"attention.scale": 0.03125}, scale=0.03125),
}


def near(found: np.ndarray, expected: np.ndarray) -> bool:
    error = np.abs(found - expected)
    return error.mean() < MEAN_ERROR and error.max() < LARGEST_ERROR


@pytest.mark.parametrize("name", MODELS)
def test_golden_against_float64(name, tmp_path):
    model = MODELS[name]
    path = write_synthetic(tmp_path / "m.gguf", model.stored, "Q8_0", seed=3, keys=model.keys, sharpness=2.0)
    ids = np.random.default_rng(4).integers(0, 70, LENGTH)
    found, tensors = GoldenModel(load(path), model.context).forward(ids, 0), stored_tensors(path)
    assert near(found, reference_logits(model.meant, tensors, ids))
    for what, other in alterations(model.meant):  # what is asked for decides
        assert np.abs(found - reference_logits(other, tensors, ids)).mean() > 10 * MEAN_ERROR, what


@pytest.mark.parametrize("name", CASES)
def test_golden_against_the_kept_answers(name, tmp_path):
    case, kept = CASES[name], KEPT[name]
    assert kept["gap"] >= GAP > 2 * LARGEST_ERROR
    checkpoint = load(write_case(case, kept["seed"], tmp_path / "m.gguf"))
    ids, tokens = kept["ids"], kept["tokens"]
    found = GoldenModel(checkpoint, case.context).forward(ids + tokens[:-1], 0)[len(ids) - 1:]
    assert found.argmax(axis=1).tolist() == tokens
    assert near(found, unpack_logits(kept["logits"], len(tokens)))


@pytest.mark.oracle
def test_kept_answers_are_those_of_llama_cpp():
    assert set(KEPT) == set(CASES)
    for name, kept in KEPT.items():
        fresh = answer(CASES[name], kept["seed"])
        assert (fresh["ids"], fresh["tokens"]) == (kept["ids"], kept["tokens"]), name
        assert abs(fresh["gap"] - kept["gap"]) < 0.01, name


def test_elements_behind_the_rotated_ones_stay():
    C, S = rotary_tables(Rotation(dim=24, magnitude=1.5), 48, [0, 7])
    assert C.shape == S.shape == (2, 48)
    assert (C[:, 24:] == 1).all() and not S[:, 24:].any() and not np.signbit(S[:, 24:]).any()
    assert (C[0, :24] == 1.5).all() and not S[0].any()
    assert np.allclose(C[1, 2:4] ** 2 + S[1, 2:4] ** 2, 2.25, rtol=1e-6)
