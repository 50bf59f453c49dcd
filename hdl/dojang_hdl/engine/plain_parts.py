"""What engines for planes alone are made of."""

from typing import NamedTuple

from amaranth.hdl import Const, Value
from amaranth.lib import data
from amaranth.lib.wiring import connect

from ..config import ChipConfig
from .accumulator import Accumulator
from .aligner import Aligner
from .formats import EXPONENT, TOTAL
from .issue import Issue
from .scaler import Scaler
from .scales import ScaleReader
from .splitter import PlaneSplitter

__all__ = ["PlainParts", "Walk"]


class Walk(NamedTuple):
    """The passes of a command: one over all rows for each block of columns."""

    begin: Value
    """Pulse, the passes and products below are right from now on."""
    passes: Value
    products: Value
    """Sums that come out for a row."""
    fresh: Value
    completes: Value
    """The pass is the first, the last of its product."""


class PlainParts:
    """The parts in which `Engine`s differ: here a product is the sum over one block, and every pass is a product."""

    factors = data.StructLayout({"exponent": EXPONENT, "total": TOTAL})
    """What a group has for each context: members of the scaler."""

    sum_latency = 0
    """Cycles from the lanes to the serializer."""

    factors_latency = 0
    """Cycles from the aligner to the serializer."""

    ahead = 0
    """Cycles from the decision on a step to the step."""

    queued = False
    """Results wait for the serializer; else they leave the lanes at its pace."""

    def __init__(self, config: ChipConfig):
        self._config = config
        self.aligner = Aligner(config.contexts)
        self.issue = Issue(config.lanes, Accumulator.turnaround)
        self.scale_reader = ScaleReader(config.lanes)
        self.scalers = [Scaler() for _ in range(config.contexts)]

    completes = Const(1)
    """With a step: its pass is its product's last."""

    def walk(self, m, command, start) -> Walk:
        return Walk(start, command.groups, command.groups, Const(1), Const(1))

    def planes(self, m, words, command, walk):
        """The stream of planes in ``words``."""
        m.submodules.splitter = splitter = PlaneSplitter(self._config.lanes)
        connect(m, words, splitter.i)
        return splitter.o

    def scales(self, command, walk) -> list:
        """Statements: when the scale reader goes on, and who waits for it."""
        issue, reader = self.issue, self.scale_reader
        return [issue.scaled.eq(reader.available | ~walk.completes), reader.mode.eq(command.scale_mode),
                reader.issue.eq(issue.step & issue.last & walk.completes), reader.ends.eq(issue.ends)]

    @property
    def pace(self) -> Value:
        """Where it is said how many cycles units of results are apart."""
        return self.issue.spread

    def sum(self, m, command, walk, dots, dots_valid, serializer):
        """From the lanes' dot products to the units of the serializer."""
        m.d.comb += [
            self.scale_reader.pop.eq(dots_valid), serializer.unit.eq(self.scale_reader.o),
            serializer.i_valid.eq(dots_valid),
            *(o.eq(dot) for os, unit in zip(serializer.dots, dots, strict=True)
              for o, dot in zip(os, unit, strict=True)),
        ]

    def group(self, m, command, take, serializer):
        """From the aligner to the factors in the serializer, a cycle after a group's last block was taken."""
        m.d.comb += serializer.take.eq(take)
        for c, group in enumerate(serializer.group):
            m.d.comb += [group.exponent.eq(self.aligner.exponent[c]), group.total.eq(self.aligner.total[c])]
