"""Exclusive ors of many words with few look-up tables."""

from functools import reduce
from itertools import combinations
from operator import xor

from amaranth.hdl import Value

__all__ = ["INPUTS", "parities"]

INPUTS = 4
"""Of a look-up table."""


def _tables(terms: int) -> int:
    """Look-up tables of a bit of an exclusive or of ``terms``."""
    return -(-(terms - 1) // (INPUTS - 1))


def _take_out(sums: dict[str, set[str]]) -> dict[str, set[str]]:
    """Takes terms that several of ``sums`` have in common out of them, where that saves; returns these by new names."""
    common: dict[str, set[str]] = {}
    while True:
        best, saved = set(), 0
        for one, other in combinations(sums.values(), 2):
            terms = (one & other) - common.keys()
            users = [len(held) for held in sums.values() if terms and terms <= held]
            saves = sum(_tables(n) - _tables(n - len(terms) + 1) for n in users) - _tables(len(terms))
            if (saves, -len(terms)) > (saved, -len(best)) and saves > 0:
                best, saved = terms, saves
        if not saved:
            return common
        name = f"common{len(common)}"
        common[name] = best
        for held in sums.values():
            if best <= held:
                held -= best
                held.add(name)


def _tree(nodes: list[tuple[int, Value]]) -> tuple[int, Value]:
    """Exclusive or of values, each beside the levels of look-up tables it comes from: the deepest one at the root."""
    count = (len(nodes) - 2) % (INPUTS - 1) + 2     # so that all tables but the first are full
    while len(nodes) > 1:
        nodes = sorted(nodes, key=lambda node: node[0])
        level = max(depth for depth, _ in nodes[:count]) + 1
        nodes = [(level, reduce(xor, (value for _, value in nodes[:count]))), *nodes[count:]]
        count = INPUTS
    return nodes[0]


def parities(sums: dict[str, set[str]], values: dict[str, Value]) -> dict[str, Value]:
    """The exclusive or of the ``values`` that each of ``sums`` names, none of which is empty."""
    sums = {name: set(terms) for name, terms in sums.items()}
    common = _take_out(sums)
    nodes = {name: (0, value) for name, value in values.items()}
    for name, terms in (common | sums).items():
        nodes[name] = _tree([nodes[term] for term in sorted(terms)])
    return {name: nodes[name][1] for name in sums}
