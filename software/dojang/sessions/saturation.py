"""What a user is told about values that left FP16's range."""

from collections.abc import Mapping

__all__ = ["position_entry", "saturation_message"]

PLACES = {
    "attn_norm": "input of attention", "q": "queries", "k_scale": "scales of keys",
    "o": "output of attention before attn_output", "ffn_norm": "input of the feed-forward part",
    "a": "activation before ffn_down", "output_norm": "input of the head",
}
"""What people call the values that the forward pass rounds to FP16, by their names in a trace."""

_POSITION = "position "


def position_entry(position: int) -> dict[str, int]:
    """What is in ``saturated`` of a summary when a chip's flag was first seen in the pass from ``position`` on."""
    return {f"{_POSITION}{position}": 1}


def saturation_message(saturated: Mapping[str, int]) -> str | None:
    """One sentence on ``saturated`` of `Session.summary`, or None if there is nothing to tell."""
    if not saturated:
        return None
    counts = {name: count for name, count in saturated.items() if not name.startswith(_POSITION)}
    if counts:
        total = sum(counts.values())
        told = f"{total:,} values" if total > 1 else "1 value"
        place = _place(next(iter(counts)))
    else:
        told, place = "values", f"the pass from {next(iter(saturated))} on"
    return (f"{told} beyond ±65504 {'was' if told == '1 value' else 'were'} clipped to FP16's range, first in {place}: "
            "answers may differ from a float32 model's")


def _place(name: str) -> str:
    layer, _, value = name.rpartition(".")
    place = PLACES.get(value, value)
    return f"layer {layer} ({place})" if layer else f"the {place}"
