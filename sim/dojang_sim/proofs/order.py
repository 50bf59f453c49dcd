"""What an induction needs to know of a matrix arbiter."""

from itertools import combinations

from amaranth.hdl import Assert, Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["OrderInside"]


class OrderInside:
    """The bits of a `MatrixArbiter` inside a harness, which say for every pair who comes first.

    Members
    -------
    ports, inside: for the `Harness`.
    """

    def __init__(self, name: str, path: str, count: int):
        self._name, self._count = name, count
        pairs = list(combinations(range(count), 2))
        self.ports = {f"{name}_{i}_{j}": In(1) for i, j in pairs}
        self.inside = {f"{name}_{i}_{j}": f"{path}.first_{i}_{j}" for i, j in pairs}

    def before(self, harness: wiring.Component, index: int):
        """How many come before ``index``."""
        return sum(~self._first(harness, index, other) if index < other else self._first(harness, other, index)
                   for other in range(self._count) if other != index)

    def assert_order(self, m: Module, harness: wiring.Component) -> None:
        """Nobody comes before itself by way of two others; otherwise nobody might be granted."""
        def first(i, j):
            return self._first(harness, i, j)

        circles = Cat(
            (first(i, j) & first(j, k) & ~first(i, k)) | (~first(i, j) & ~first(j, k) & first(i, k))
            for i, j, k in combinations(range(self._count), 3))
        m.d.comb += Assert(~circles.any(), f"{self._name} is an order")

    def _first(self, harness, i, j):
        return getattr(harness, f"{self._name}_{i}_{j}")
