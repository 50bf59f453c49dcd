"""Sums over a pass."""

from .passes import Pass

__all__ = ["totals"]


def totals(found: Pass) -> dict:
    """Cycles by cause and by phase, words by kind."""
    return {
        "position": found.position, "tokens": found.tokens, "cycles": found.cycles,
        "channels": [{"words": channel.words, "causes": channel.cycles()} for channel in found.channels],
    }
