"""The description of a model: sizes and rules, everything but the weights."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from dojang_hdl.config import BLOCK

from .rules import LARGE, TINY, Activation, LayerKind, Norm, QKNorm, Rotation, require

__all__ = ["NORMS", "ModelShape"]

USUAL_NORM = Norm()

NORMS = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm")
"""Where a layer may normalise: the input and the result of attention, those of the feed-forward part."""

USUAL: dict[str, Callable[["ModelShape"], Any]] = {
    "key_dim": lambda shape: shape.head_dim, "value_dim": lambda shape: shape.key_dim,
    "score_scale": lambda shape: 1 / math.sqrt(shape.key_dim),
    "kinds": lambda shape: (LayerKind(Rotation().of_keys(shape.key_dim)),)}
"""What stands for 0 or a default; files and names of models leave it out, as they do other defaults."""


@dataclass(frozen=True)
class ModelShape:
    """Validated sizes and rules of a decoder, in the order of numerics.md.

    A layer is ``x += residual_scale · post_attention_norm(attention(attn_norm(x)))``, then the same with the
    feed-forward part between ``ffn_norm`` and ``post_ffw_norm``; norms that `norms` does not name are left out.

    Parameters
    ----------
    layers, d, heads, kv_heads, ffn, vocab: sizes; ``heads * key_dim`` need not equal ``d``.
    head_dim: elements of a key in the cache: `key_dim` up to a whole block.
    context: positions the model was trained for.
    norm: of all vectors; `norms`: where a layer has them, some of `NORMS`.
    kinds: what layers differ in; `pattern`: index into it of every layer, empty if there is one kind.
    tied: the head is the embedding matrix.
    key_dim, value_dim: elements of a head's query and key, and of its value: multiples of 4. 0 stands for
        `head_dim` and for `key_dim`.
    score_scale: factor of the scores; 0 stands for ``1 / sqrt(key_dim)``.
    score_cap, logit_cap: scores and logits become cap · tanh(them / cap); 0 for none.
    qk_norm: normalisation of queries and keys, with the eps of `norm`.
    biases: names of the matrices whose products a bias is added to, in the order of `matrices`.
    gated: the activation of ``ffn_gate`` times ``ffn_up``; without, the activation of ``ffn_up`` alone.
    activation: its function.
    learned_positions: rows of a table ``position_embd`` of `context` positions are added to the embedding.
    embedding_scale, residual_scale, logit_scale: factors of embedding rows, of what a layer adds, and of logits.
    """

    layers: int
    d: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocab: int
    context: int
    norm: Norm = USUAL_NORM
    norms: tuple[str, ...] = ("attn_norm", "ffn_norm")
    kinds: tuple[LayerKind, ...] = (LayerKind(),)
    pattern: tuple[int, ...] = ()
    tied: bool = False
    key_dim: int = 0
    value_dim: int = 0
    score_scale: float = 0.0
    score_cap: float = 0.0
    qk_norm: QKNorm = QKNorm.NONE
    biases: tuple[str, ...] = ()
    gated: bool = True
    activation: Activation = Activation.SILU
    learned_positions: bool = False
    embedding_scale: float = 1.0
    residual_scale: float = 1.0
    logit_scale: float = 1.0
    logit_cap: float = 0.0

    def __post_init__(self):
        self._fill("key_dim", "value_dim")
        for field in ("layers", "d", "heads", "kv_heads", "head_dim", "ffn", "vocab", "context", "key_dim",
                      "value_dim"):
            value = getattr(self, field)
            self._check(isinstance(value, int) and 0 < value < 1 << 31, field, "a positive integer")
        for field in ("tied", "gated", "learned_positions"):
            self._check(isinstance(getattr(self, field), bool), field, "true or false")
        self._check(self.heads % self.kv_heads == 0, "kv_heads", f"a divisor of heads={self.heads}")
        self._check(self.head_dim % BLOCK == 0 and self.head_dim <= 512, "head_dim", "a multiple of 32 up to 512")
        for field in ("key_dim", "value_dim"):
            self._check(getattr(self, field) % 4 == 0 and getattr(self, field) <= 512, field,
                        "a multiple of 4 up to 512")
        self._check(self.head_dim - BLOCK < self.key_dim <= self.head_dim, "key_dim",
                    f"{self.head_dim - BLOCK + 4} to head_dim={self.head_dim}")
        self._fill("score_scale")
        for field in ("score_scale", "embedding_scale", "residual_scale", "logit_scale"):
            self._check(TINY <= getattr(self, field) <= LARGE, field, f"a number from {TINY:g} to {LARGE:g}")
        for field in ("score_cap", "logit_cap"):
            value = getattr(self, field)
            self._check(value == 0 or 1e-3 <= value <= 1e6, field, "0 for none, or a number from 0.001 to 1e+06")
        self._check(self.norms == tuple(name for name in NORMS if name in self.norms), "norms",
                    f"some of {', '.join(NORMS)}, in this order")
        self._check(self.biases == tuple(name for name in self.matrices() if name in self.biases), "biases",
                    f"some of {', '.join(self.matrices())}, in this order")
        self._check_kinds()

    def _check_kinds(self) -> None:
        self._check(len(self.kinds) > 0, "kinds", "one kind of layer at least")
        self._check(len(self.pattern) == self.layers or (not self.pattern and len(self.kinds) == 1), "pattern",
                    f"the kind of each of {self.layers} layers")
        self._check(all(0 <= kind < len(self.kinds) for kind in self.pattern), "pattern",
                    f"indexes below {len(self.kinds)}")
        kinds = tuple(LayerKind(kind.rotation and kind.rotation.of_keys(self.key_dim), kind.window)
                      for kind in self.kinds)
        object.__setattr__(self, "kinds", kinds)

    def _fill(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) == 0:
                object.__setattr__(self, name, USUAL[name](self))

    def _check(self, ok: bool, field: str, expected: str) -> None:
        require(ok, field, getattr(self, field), expected)

    def stored(self) -> dict[str, Any]:
        """Arguments that make this shape again (`restored`), as JSON has them; what is usual is left out."""
        usual = {field.name: field.default for field in fields(self)} | {name: of(self) for name, of in USUAL.items()}
        return {name: value for name, value in asdict(self).items() if getattr(self, name) != usual[name]}

    def __repr__(self) -> str:
        return f"ModelShape({', '.join(f'{name}={getattr(self, name)!r}' for name in self.stored())})"

    @classmethod
    def restored(cls, values: Mapping[str, Any]) -> "ModelShape":
        """The shape of what `stored` gave, lists in place of tuples or not. Raises TypeError, ValueError and KeyError
        besides `CheckpointError` where it is something else.
        """
        made = {"norm": lambda norm: Norm(**norm), "kinds": lambda kinds: tuple(map(_kind, kinds)), "norms": tuple,
                "pattern": tuple, "biases": tuple, "qk_norm": QKNorm, "activation": Activation}
        return cls(**{name: made[name](value) if name in made else value for name, value in values.items()})

    def at(self, context: int) -> "ModelShape":
        """The shape of a session that reserves ``context`` positions: its rotary factors, its windows."""
        return replace(self, kinds=tuple(kind.at(context) for kind in self.kinds))

    def kind(self, layer: int) -> LayerKind:
        """That of a layer."""
        return self.kinds[self.pattern[layer] if self.pattern else 0]

    def messages(self) -> list[str]:
        """What the number of positions that a session reserves changes, a sentence each."""
        originals = {kind.rotation.original_context for kind in self.kinds
                     if kind.rotation and kind.rotation.factors_long}
        return [f"rotary factors for long texts are used where more than {original:,} positions are reserved, those "
                "for short ones elsewhere" for original in sorted(originals)]

    @property
    def group(self) -> int:
        """Query heads that share a KV head."""
        return self.heads // self.kv_heads

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of K and V cache one position takes in all layers.

        K is two INT8 terms with an FP16 scale per 32 elements each, V two INT8 terms that share an FP32 scale.
        """
        key, value = 2 * (self.head_dim + 2 * (self.head_dim // BLOCK)), 2 * self.value_dim + 4
        return self.layers * self.kv_heads * (key + value)

    def matrices(self) -> dict[str, tuple[int, int]]:
        """(rows, columns) of a layer's matrices, by name."""
        q, kv = self.heads * self.key_dim, self.kv_heads * self.key_dim
        v, o = self.kv_heads * self.value_dim, self.heads * self.value_dim
        gate = {"ffn_gate": (self.ffn, self.d)} if self.gated else {}
        return {"attn_q": (q, self.d), "attn_k": (kv, self.d), "attn_v": (v, self.d), "attn_output": (self.d, o),
                **gate, "ffn_up": (self.ffn, self.d), "ffn_down": (self.d, self.ffn)}

    def vectors(self) -> dict[str, int]:
        """Elements of a layer's gains (``NAME.weight``) and biases (``NAME.bias``), by name in order of use."""
        matrices = self.matrices()
        norms = {name: self._of_norm(name) if name in self.norms else {} for name in NORMS}
        biases = {name: {f"{name}.bias": matrices[name][0]} if name in self.biases else {} for name in matrices}
        of_qk = {QKNorm.NONE: {}, QKNorm.HEAD: {"attn_q_norm.weight": self.key_dim, "attn_k_norm.weight": self.key_dim},
                 QKNorm.VECTOR: {"attn_q_norm.weight": self.heads * self.key_dim,
                                 "attn_k_norm.weight": self.kv_heads * self.key_dim}}[self.qk_norm]
        return {**norms["attn_norm"], **biases["attn_q"], **biases["attn_k"], **biases["attn_v"], **of_qk,
                **biases["attn_output"], **norms["post_attention_norm"], **norms["ffn_norm"],
                **biases.get("ffn_gate", {}), **biases["ffn_up"], **biases["ffn_down"], **norms["post_ffw_norm"]}

    def _of_norm(self, name: str) -> dict[str, int]:
        return {f"{name}.weight": self.d, **({f"{name}.bias": self.d} if self.norm.bias else {})}

    @property
    def head_name(self) -> str:
        """Tensor name of the matrix of the logits."""
        return "token_embd.weight" if self.tied else "output.weight"

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """Size of every tensor of the model, by the name GGUF has for it: rows first."""
        sizes: dict[str, tuple[int, ...]] = {"token_embd.weight": (self.vocab, self.d)}
        if self.learned_positions:
            sizes["position_embd.weight"] = (self.context, self.d)
        for layer in range(self.layers):
            sizes |= {f"blk.{layer}.{name}.weight": size for name, size in self.matrices().items()}
            sizes |= {f"blk.{layer}.{name}": (size,) for name, size in self.vectors().items()}
        sizes |= {name: (size,) for name, size in self._of_norm("output_norm").items()}
        return sizes | {self.head_name: (self.vocab, self.d)}


def _kind(values: Mapping[str, Any]) -> LayerKind:
    rotation = values["rotation"]
    if rotation is not None:
        lists = {name: tuple(rotation[name]) for name in ("factors", "factors_long") if rotation[name] is not None}
        rotation = Rotation(**{**rotation, **lists})
    return LayerKind(rotation, values["window"])
