"""A family of models: what its files say, and what they leave unsaid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..rules import Activation, Norm, QKNorm
from .source import Source

__all__ = ["Family"]

QKV = {"attn_qkv": ("attn_q", "attn_k", "attn_v")}


def no_rules(source: Source) -> dict[str, Any]:
    """Of a family whose description needs no numbers of its own."""
    return {}


@dataclass(frozen=True)
class Family:
    """How a description, `ModelShape`, is made of a file; most of it is a value.

    Parameters
    ----------
    name: ``general.architecture`` of GGUF files; keys begin with it.
    published: what ``architectures`` of a published ``config.json`` says.
    norm, norms, qk_norm, gated, activation, learned_positions: of `ModelShape`; the eps is the file's.
    biases: matrices that must have one; of the others those have one whose tensors are there.
    rotary: queries and keys are rotated.
    halves: rotary pairs of its GGUF files lie half a head apart; adjacent else.
    unrotated: the last of every so many layers is not rotated, if the file does not say which; 0 for none.
    longrope: factors for short and long contexts are read whatever ``rope.scaling.type`` says.
    window, period: what a missing ``attention.sliding_window`` and ``attention.sliding_window_pattern`` stand for;
        the last of every ``period`` layers sees all positions, 0 for no such layer.
    local_base: rotary base of layers with a window, if ``rope.freq_base_swa`` is missing; 0 for that of the others.
    local_scaled: layers with a window have the rotary scaling of the others; without, they have none.
    fused: matrices that files may have as rows of one tensor, by its name.
    gain_offset: what published gains of norms leave out, added to them; GGUF files have it in.
    keys: honoured beyond those of every family, with what is made of them.
    rules: further fields of `ModelShape`, of the file.
    factors: what `rules` makes, for the documentation.
    """

    name: str
    published: tuple[str, ...] = ()
    norm: Norm = field(default_factory=Norm)
    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    qk_norm: QKNorm = QKNorm.NONE
    biases: tuple[str, ...] = ()
    gated: bool = True
    activation: Activation = Activation.SILU
    learned_positions: bool = False
    rotary: bool = True
    halves: bool = False
    unrotated: int = 0
    longrope: bool = False
    window: int = 0
    period: int = 0
    local_base: float = 0.0
    local_scaled: bool = True
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: QKV)
    gain_offset: float = 0.0
    keys: Mapping[str, str] = field(default_factory=dict)
    rules: Callable[[Source], dict[str, Any]] = no_rules
    factors: str = ""
