"""Static allocation of a program's buffers in the two SRAM banks of a node."""

from dataclasses import dataclass, field

from dojang_hdl.config import ELEMENTS, ChipConfig

from .errors import SramError
from .layout import round_up

__all__ = ["RX", "Bank", "Gathers", "place_gathers", "vector_words"]

RX = 0x8000
"""First address of the bank that the network writes."""


def vector_words(elements: int, multiple: int = ELEMENTS) -> int:
    """SRAM words of a vector padded to a multiple of ``multiple`` elements."""
    return round_up(elements, multiple) // ELEMENTS


@dataclass
class Bank:
    """Hands out words of one SRAM bank from ``base`` up."""

    name: str
    base: int
    buffers: dict[str, tuple[int, int]] = field(default_factory=dict)
    used: int = 0

    def allocate(self, name: str, words: int) -> int:
        """Address of a new buffer."""
        self.buffers[name] = (self.base + self.used, words)
        self.used += words
        return self.buffers[name][0]

    def check(self, config: ChipConfig, contexts: int) -> None:
        """Raise `SramError` if the buffers exceed the bank."""
        if self.used > config.sram_words:
            largest = max(self.buffers, key=lambda name: self.buffers[name][1])
            raise SramError(
                f"the {self.name} SRAM of chip {config.name!r} holds {config.sram_words} words, a pass of {contexts} "
                f"contexts needs {self.used} (the largest buffer is {largest!r} with {self.buffers[largest][1]} words)")


@dataclass(frozen=True)
class Gathers:
    """RX addresses of the five all-gathers of a layer; see docs/reference/program.md for what may overlap."""

    qkv: int
    o: int
    attention: int
    a: int
    ffn: int


def place_gathers(rx: Bank, qkv: int, o: int, attention: int, a: int, ffn: int) -> Gathers:
    """Place the buffers (sizes in words) so that successive all-gathers never share a word.

    ``qkv`` and ``a`` start together, ``attention`` and ``ffn`` lie together behind them, ``o`` fills the rest of the
    first area or follows. ``attention`` shares no word with ``qkv``, so the embedding rows may arrive there.
    """
    first = max(qkv, a)
    inside = qkv + o <= first
    base = rx.allocate("gather.qkv|a", first)
    late = rx.allocate("gather.attention|ffn", max(attention, ffn))
    return Gathers(qkv=base, a=base, attention=late, ffn=late,
                   o=base + qkv if inside else rx.allocate("gather.o", o))
