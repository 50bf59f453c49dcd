"""What the layers of a file's model differ in: rotation and window."""

from ..families import Family, Source
from ..rules import LayerKind, Rotation
from .rotary import rotation

__all__ = ["layer_kinds"]


def layer_kinds(source: Source, family: Family) -> tuple[tuple[LayerKind, ...], tuple[int, ...]]:
    """`ModelShape.kinds`, in the order of the layers, and `ModelShape.pattern`."""
    window = source.count("attention.sliding_window", family.window)
    if window < 0:
        raise source.wrong("attention.sliding_window", window, "a number of positions, or 0 for none")
    local = source.pattern("attention.sliding_window_pattern", family.period)
    if window == 0 or window >= source.context:  # none, or it never cuts
        local = [False] * source.layers
    rotated = source.pattern("attention.rope_pattern", family.unrotated) if family.rotary else [False] * source.layers
    flags = list(zip(local, rotated, strict=True))
    kinds = {flag: LayerKind(_rotation(source, family, flag[0]) if flag[1] else None, window if flag[0] else 0)
             for flag in dict.fromkeys(flags)}
    index = {flag: number for number, flag in enumerate(kinds)}
    return tuple(kinds.values()), tuple(index[flag] for flag in flags) if len(kinds) > 1 else ()


def _rotation(source: Source, family: Family, local: bool) -> Rotation:
    base = source.number("rope.freq_base", 10000.0)
    if not local:
        return rotation(source, base, family.longrope)
    base = source.number("rope.freq_base_swa", family.local_base) or base
    return rotation(source, base, family.longrope, family.local_scaled)
