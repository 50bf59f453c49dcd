"""V scales on their way from the cache into RX, ahead of their use."""

from dojang_hdl.config import BLOCK, ELEMENTS

from .model import LayerLayout
from .program import Count
from .writer import LATE, Writer

__all__ = ["ValueScales"]

SLOTS = 2


class ValueScales:
    """Of all heads that a node attends to in one layer, one LOAD ahead of the one in use.

    A head's are LOADed once, up to the last context's position; with a window once for each context, from its own
    beginning on.
    """

    def __init__(self, w: Writer, layer: LayerLayout):
        self._w, self._layer = w, layer
        contexts = range(w.contexts) if layer.span.window else (w.contexts - 1,)
        self._loads = [(head, c) for head in w.heads for c in contexts]
        self._loaded = self._used = 0
        self._waited = False

    @property
    def address(self) -> int:
        """Those in use."""
        return self._w.buffers.value_scales[self._used % SLOTS]

    def load(self, head: int) -> None:
        """LOADs of ``head`` that there is a place for; its entries of the cache have been written."""
        while self._loaded < min(self._used + SLOTS, len(self._loads)) and self._loads[self._loaded][0] <= head:
            of, c = self._loads[self._loaded]
            self._w.load(LATE, self._words(c), self._w.buffers.value_scales[self._loaded % SLOTS],
                         self._layer.caches[of].value_scales.start, **self._layer.span.beginning(c, BLOCK // ELEMENTS))
            self._loaded += 1

    def wait(self) -> None:
        """Until those in use are there."""
        if not self._waited:
            self._w.wait(LATE, self._words(self._loads[self._used][1]))
            self._waited = True

    def used(self, head: int, c: int) -> None:
        """A context of a head is done; if it was the last that shares a LOAD, the place is free for another."""
        if (head, c) == self._loads[self._used]:
            self._used, self._waited = self._used + 1, False
            self.load(self._w.heads[-1])

    def _words(self, c: int) -> Count:
        return self._layer.span.units(c, ELEMENTS, 0, self._layer.span.size, 1)
