"""V scales on their way from the cache into RX, ahead of their use."""

from dojang_hdl.config import BLOCK, ELEMENTS

from .model import LayerLayout
from .program import Count
from .writer import LATE, Writer

__all__ = ["ValueScales"]


class ValueScales:
    """Of all heads that a node attends to in one layer, one LOAD ahead of the one in use.

    They are LOADed for each context, from the first position that it reads on.
    """

    def __init__(self, w: Writer, layer: LayerLayout):
        self._w, self._layer = w, layer
        self._loads = [(head, c) for c in range(w.contexts) for head in w.heads]
        self._loaded = self._used = 0
        self._waited = False

    @property
    def address(self) -> int:
        """Those in use."""
        return self._w.buffers.value_scales[self._used % len(self._w.buffers.value_scales)]

    def load(self) -> None:
        """LOADs that there is a place for; the entries of the cache have been written."""
        places = self._w.buffers.value_scales
        while self._loaded < min(self._used + len(places), len(self._loads)):
            of, c = self._loads[self._loaded]
            self._w.load(LATE, self._words(c), places[self._loaded % len(places)],
                         self._layer.caches[of].value_scales.start, **self._layer.span.beginning(c, BLOCK // ELEMENTS))
            self._loaded += 1

    def wait(self) -> None:
        """Until those in use are there."""
        if not self._waited:
            self._w.wait(LATE, self._words(self._loads[self._used][1]))
            self._waited = True

    def used(self) -> None:
        """A head of a context is done; the place is free for another."""
        self._used, self._waited = self._used + 1, False
        self.load()

    def _words(self, c: int) -> Count:
        return self._layer.span.units(c, ELEMENTS, 0, self._layer.span.size, 1)
