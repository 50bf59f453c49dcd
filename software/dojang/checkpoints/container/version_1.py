"""What files of version 1 have, which knew no rules but those of Llama models."""

from collections.abc import Mapping
from typing import Any

from ..rules import LayerKind, Norm, Rotation
from ..shape import ModelShape

__all__ = ["shape_of_version_1"]

ROTATION = {"rope_base": "base", "rotary_dim": "dim", "rope_factors": "factors", "rope_magnitude": "magnitude",
            "rope_factors_long": "factors_long", "original_context": "original_context"}
"""Fields of `Rotation` by those of the shape, all of whose layers had the same."""


def shape_of_version_1(fields: Mapping[str, Any]) -> ModelShape:
    """The shape of a description of that version, as JSON has it; errors are those of `ModelShape.restored`."""
    rotary: dict[str, Any] = {own: fields[name] for name, own in ROTATION.items() if name in fields}
    lists = {name: tuple(rotary[name]) for name in ("factors", "factors_long") if rotary.get(name) is not None}
    others = {name: value for name, value in fields.items() if name not in ROTATION and name != "rms_eps"}
    return ModelShape(**others, norm=Norm(fields["rms_eps"]), kinds=(LayerKind(Rotation(**{**rotary, **lists})),))
