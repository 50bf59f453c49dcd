"""The list of families in the documentation."""

from ..rules import Activation, QKNorm
from . import FAMILIES
from .family import Family

__all__ = ["document"]

COLUMNS = ("family", "published as", "norms", "q and k norm", "rotation", "layers with a window", "FFN",
           "biases that must be there", "more")
ACTIVATIONS = {Activation.SILU: "SiLU", Activation.GELU_TANH: "GELU (tanh)", Activation.GELU_ERF: "GELU (erf)"}
QK_NORMS = {QKNorm.NONE: "–", QKNorm.HEAD: "each head", QKNorm.VECTOR: "all heads"}


def document() -> str:
    """A table with a row for each family, as Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for family in FAMILIES.values():
        cells = (f"`{family.name}`", ", ".join(f"`{name}`" for name in family.published), _norms(family),
                 QK_NORMS[family.qk_norm], _rotation(family), _window(family),
                 f"{ACTIVATIONS[family.activation]}{', gated' if family.gated else ''}", _biases(family), _more(family))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _norms(family: Family) -> str:
    kind = "LayerNorm" if family.norm.centred else "RMSNorm"
    places = {"attn_norm": "before", "post_attention_norm": "after"}
    where = " and ".join(places[name] for name in family.norms if name in places)
    return f"{kind}{' with biases' if family.norm.bias else ''}, {where}"


def _rotation(family: Family) -> str:
    if not family.rotary:
        return "none; learned positions" if family.learned_positions else "none"
    parts = ["halves" if family.halves else "neighbours"]
    if family.unrotated:
        parts.append(f"none in 1 of {family.unrotated} layers")
    if family.local_base:
        parts.append(f"base {family.local_base:g} in layers with a window")
    if not family.local_scaled:
        parts.append("no scaling in layers with a window")
    return "; ".join(parts)


def _window(family: Family) -> str:
    which = f"all but 1 of {family.period}" if family.period else "all"
    return f"{which}; {family.window} positions" if family.window else which


def _biases(family: Family) -> str:
    return ", ".join(family.biases) or "–"


def _more(family: Family) -> str:
    fused = [f"{name} holds {', '.join(parts)}" for name, parts in family.fused.items() if name in parts]
    long = ["factors for short and long contexts"] if family.longrope else []
    return "; ".join(filter(None, [family.factors, *fused, *long])) or "–"
