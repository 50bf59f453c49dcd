"""What GGUF files of an architecture look like beyond the sizes of the model: its keys, and which tensors are one.

Written from llama.cpp's loaders and converters, and not from `checkpoints.families`, which reads such files: the two
are compared in the tests.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ..rules import Rotation
from ..shape import ModelShape

__all__ = ["LAYOUTS", "Keys", "Layout"]

Keys = Mapping[str, int | float | str | Sequence[bool]]
"""Metadata by key, without the architecture in front."""


def rotation_of(shape: ModelShape, windowed: bool = False) -> Rotation | None:
    """That of the layers with a window, or without; of all, if there are none such."""
    rotations = [kind.rotation for kind in shape.kinds if kind.rotation and (kind.window > 0) == windowed]
    return next(iter(rotations or [kind.rotation for kind in shape.kinds if kind.rotation]), None)


@dataclass(frozen=True)
class Layout:
    """How files of an architecture are written.

    Parameters
    ----------
    keys: beyond the sizes, of a shape.
    sized: the sizes of keys and values are named, whatever they are; else where they are not ``d / heads`` only.
    fused: names of the tensors that stand in one, their rows one after the other, by its name.
    """

    keys: Callable[[ModelShape], Keys]
    sized: bool = False
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def groups(self, shape: ModelShape) -> dict[str, tuple[str, ...]]:
        """The matrices of a layer that each of the file's tensors holds, in the order of `ModelShape.matrices`."""
        inside = {part: name for name, parts in self.fused.items() for part in parts}
        return {inside.get(name, name): self.fused.get(inside.get(name, name), (name,)) for name in shape.matrices()}


def rms(shape: ModelShape) -> Keys:
    return {"attention.layer_norm_rms_epsilon": shape.norm.eps}


def centred(shape: ModelShape) -> Keys:
    return {"attention.layer_norm_epsilon": shape.norm.eps}


def base(shape: ModelShape) -> Keys:
    """Of the layers without window, and of the others if theirs is another."""
    wide, narrow = rotation_of(shape), rotation_of(shape, windowed=True)
    assert wide is not None and narrow is not None
    return {"rope.freq_base": wide.base, **({} if narrow.base == wide.base else {"rope.freq_base_swa": narrow.base})}


def rotary(shape: ModelShape, kind: bool = True) -> Keys:
    """`base`, the rotated elements, and what differs from the defaults; ``kind``: of two sets of factors the type."""
    rotation = rotation_of(shape)
    assert rotation is not None
    keys = {**base(shape), "rope.dimension_count": rotation.dim}
    if rotation.magnitude != 1:
        keys["rope.scaling.attn_factor"] = rotation.magnitude
    if rotation.factors_long is not None:
        keys["rope.scaling.original_context_length"] = rotation.original_context
        if kind:
            keys["rope.scaling.type"] = "longrope"
    return keys


def scores(shape: ModelShape) -> Keys:
    """The factor of the scores where it is not the usual one."""
    return {} if shape.score_scale == 1 / math.sqrt(shape.key_dim) else {"attention.scale": shape.score_scale}


def windows(shape: ModelShape, period: int = 0) -> Keys:
    """The window, and the layers that have it unless they are all but the last of every ``period``."""
    size = max(kind.window for kind in shape.kinds)
    if size == 0:
        return {}
    pattern = [shape.kind(layer).window > 0 for layer in range(shape.layers)]
    usual = period and pattern == [layer % period < period - 1 for layer in range(shape.layers)]
    return {"attention.sliding_window": size, **({} if usual else {"attention.sliding_window_pattern": pattern})}


def caps(shape: ModelShape) -> Keys:
    keys = {"attn_logit_softcapping": shape.score_cap, "final_logit_softcapping": shape.logit_cap}
    return {name: cap for name, cap in keys.items() if cap}


def multipliers(shape: ModelShape) -> Keys:
    """Logits are divided by theirs."""
    return {"embedding_scale": shape.embedding_scale, "residual_scale": shape.residual_scale,
            "logit_scale": 1 / shape.logit_scale, "attention.scale": shape.score_scale}


def plain_window(shape: ModelShape) -> Keys:
    """That of all layers."""
    window = shape.kinds[0].window
    return {"attention.sliding_window": window} if window else {}


QKV = {"attn_qkv": ("attn_q", "attn_k", "attn_v")}

LAYOUTS: dict[str, Layout] = {
    "llama": Layout(lambda shape: {**rms(shape), **rotary(shape), **scores(shape), **plain_window(shape)}, sized=True),
    "smollm3": Layout(lambda shape: {**rms(shape), **rotary(shape)}),
    "granite": Layout(lambda shape: {**rms(shape), **rotary(shape), **multipliers(shape)}),
    "hyperclovax": Layout(lambda shape: {**rms(shape), **rotary(shape), **multipliers(shape),
                                         "logit_scale": shape.logit_scale}, sized=True),
    "qwen2": Layout(lambda shape: {**rms(shape), **base(shape)}),
    "qwen3": Layout(lambda shape: {**rms(shape), **base(shape)}, sized=True),
    "phi3": Layout(lambda shape: {**rms(shape), **rotary(shape, kind=False), "attention.sliding_window": 0,
                                  **plain_window(shape)},
                   fused={**QKV, "ffn_up": ("ffn_gate", "ffn_up")}),
    "gemma": Layout(lambda shape: {**rms(shape), **base(shape)}, sized=True),
    "gemma2": Layout(lambda shape: {**rms(shape), **windows(shape, 2), **caps(shape)}, sized=True),
    "gemma3": Layout(lambda shape: {**rms(shape), **base(shape), **windows(shape, 6), **caps(shape)}, sized=True),
    "gpt2": Layout(centred, fused=QKV),
    "stablelm": Layout(lambda shape: {**centred(shape), **rotary(shape), "use_parallel_residual": False}),
    "olmo2": Layout(lambda shape: {**rms(shape), **base(shape), **windows(shape)}),
}
