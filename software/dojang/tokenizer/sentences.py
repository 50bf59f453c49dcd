"""Sentences about text that a vocabulary cannot hold."""

from collections.abc import Collection, Iterable

__all__ = ["dropped_bytes", "listing", "shown"]

LONGEST = 8


def dropped_bytes(text: str, missing: Collection[int]) -> list[str]:
    """At most one sentence about the bytes of `text` that are in `missing`."""
    if not missing:
        return []
    found = [character for character in dict.fromkeys(text) if any(b in missing for b in character.encode())]
    if not found:
        return []
    values = sorted({byte for character in found for byte in character.encode() if byte in missing})
    names = listing(f"0x{byte:02X}" for byte in values)
    noun, verb = ("byte", "has no token and is") if len(values) == 1 else ("bytes", "have no token and are")
    return [f"{noun} {names} of the prompt {verb} dropped (in {listing(shown(c) for c in found)})"]


def shown(character: str) -> str:
    """The character itself if it can be seen, else its code point."""
    return character if character.isprintable() and not character.isspace() else f"U+{ord(character):04X}"


def listing(items: Iterable[str]) -> str:
    """The items with commas, no more than a line holds."""
    items = list(items)
    return ", ".join(items[:LONGEST]) + (f" and {len(items) - LONGEST} more" if len(items) > LONGEST else "")
